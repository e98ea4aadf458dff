package rotate

import (
	"time"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// The rules of a record, for a simulation that performs what rotations do.

// Holder is who works on the key under a lease.
type Holder = holder

// NewHolder returns the holder of a lease of that epoch, 0 for none yet.
func NewHolder(owner string, epoch uint64, ttl time.Duration) Holder {
	return holder{owner: owner, epoch: epoch, ttl: ttl}
}

// The errors of the rules.
var (
	ErrMoved       = errMoved
	ErrNothingToDo = errNothingToDo
)

// HasMore reports whether it knows a secret that another does not.
func (r *Record) HasMore(other Record) bool { return r.hasMore(other) }

// Take takes the lease.
func (r *Record) Take(h Holder, now time.Time) error { return r.take(h, now) }

// Renew gives it its full time again.
func (r *Record) Renew(h Holder, now time.Time) error { return r.renew(h, now) }

// Retake takes it, and raises the intent.
func (r *Record) Retake(h Holder, id string, now time.Time) error { return r.retake(h, id, now) }

// Free gives it up.
func (r *Record) Free(h Holder) error { return r.free(h) }

// Raise has the record say that its current secret may be dead.
func (r *Record) Raise(id string, now time.Time) *Intent { return r.raise(id, now) }

// Arm has it say that a reset may have left.
func (r *Record) Arm(h Holder, id string, now time.Time) error { return r.arm(h, id, now) }

// Withdraw clears the intent of a rotation that was not executed.
func (r *Record) Withdraw(id string) error { return r.withdraw(id) }

// Receive appends a candidate.
func (r *Record) Receive(c Candidate, id string, unanswered, now time.Time) {
	r.receive(c, id, unanswered, now)
}

// Accept promotes a candidate.
func (r *Record) Accept(h Holder, seen Record, c Candidate, now time.Time) error {
	return r.accept(h, seen, c, now)
}

// Await has the intent say that the current secret works, for now.
func (r *Record) Await() { r.await() }

// Settle clears the intent.
func (r *Record) Settle(h Holder, seen Record) error { return r.settle(h, seen) }

// Add appends a candidate of a spare store.
func (r *Record) Add(c Candidate) { r.add(c) }

// Has reports whether the record knows a secret.
func (r *Record) Has(s session.Secret) bool { return r.has(s) }

// InOrder are the secrets in the order in which they are tried.
func (r *Record) InOrder() []Candidate { return r.candidates() }

// UnderWay reports whether somebody works on the key.
func (r Record) UnderWay(now time.Time, ttl time.Duration) bool { return r.underWay(now, ttl) }

// Pauses bound the pauses before an effect is performed again.
func Pauses(effect core.Effect) (shortest, longest time.Duration) {
	return pauses[effect].shortest, pauses[effect].longest
}
