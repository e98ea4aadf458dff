package rotate

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// What rotations do to a record. Nothing here reads a clock or a store: a change is applied to the record as it stands, and again
// to a newer one if somebody else was faster.

// holder is who works on the key under a lease.
type holder struct {
	owner string
	epoch uint64 // of the lease that is held, 0 for none
	ttl   time.Duration
}

// errMoved is a record in which not all is as it was seen: somebody else has reset the key.
var errMoved = errors.New("rotate: another rotator has received a secret meanwhile")

// errNothingToDo ends an update that would change nothing.
var errNothingToDo = errors.New("rotate: nothing to do")

// isHeld reports whether a lease, of which there may be none, is somebody's still. One that ends later than a lease can is by a clock
// that is off: it is no obstacle, for what a lease guards is work that is done twice, not secrets.
func (l *Lease) isHeld(now time.Time, ttl time.Duration) bool {
	return l != nil && l.Owner != "" && now.Before(l.Expires) && l.Expires.Before(now.Add(2*ttl))
}

// take takes the lease unless it is another's.
func (r *Record) take(h holder, now time.Time) error {
	next := Lease{Owner: h.owner, Epoch: 1, Expires: now.Add(h.ttl)}
	if old := r.Lease; old != nil {
		if old.isHeld(now, h.ttl) && old.Owner != h.owner {
			return &LeaseHeldError{Owner: old.Owner, Expires: old.Expires}
		}
		next.Epoch = old.Epoch + 1
	}
	r.Lease = &next
	return nil
}

// isUnfinished reports whether Recover has something to finish.
func (r *Record) isUnfinished() bool { return r.Intent != nil || r.Replacement != nil }

func (r *Record) heldBy(h holder) bool {
	return r.Lease != nil && r.Lease.Owner == h.owner && r.Lease.Epoch == h.epoch
}

// renew gives the lease its full time again, if it still is the holder's.
func (r *Record) renew(h holder, now time.Time) error {
	if !r.heldBy(h) {
		return ErrLeaseLost
	}
	r.Lease = &Lease{Owner: h.owner, Epoch: h.epoch, Expires: now.Add(h.ttl)}
	return nil
}

// retake makes sure of the lease, and has the record say that its current secret may be dead.
func (r *Record) retake(h holder, id string, now time.Time) error {
	if r.renew(h, now) != nil {
		if err := r.take(h, now); err != nil {
			return err
		}
	}
	r.raise(id, now)
	return nil
}

// free gives up the lease; its epoch stays.
func (r *Record) free(h holder) error {
	if !r.heldBy(h) {
		return ErrLeaseLost
	}
	r.Lease = &Lease{Epoch: h.epoch}
	return nil
}

// raise has the record say that its current secret may be dead. It returns the intent, which is the record's own.
func (r *Record) raise(id string, now time.Time) *Intent {
	if r.Intent != nil {
		r.Intent = new(*r.Intent)
		r.Intent.Settling = false
		return r.Intent
	}
	r.Intent = &Intent{ID: id, Started: now, OldFingerprint: r.Current.Secret.Fingerprint()}
	if r.Lease != nil {
		r.Intent.Epoch = r.Lease.Epoch
	}
	return r.Intent
}

// arm has the record say that a reset may have left from now on.
func (r *Record) arm(h holder, id string, now time.Time) error {
	if err := r.renew(h, now); err != nil {
		return err
	}
	intent := r.raise(id, now)
	intent.ID, intent.Sent = id, now
	return nil
}

// withdraw clears the intent of a rotation that was not executed.
func (r *Record) withdraw(id string) error {
	if r.Intent == nil || r.Intent.ID != id {
		return errNothingToDo
	}
	r.Intent = nil
	return nil
}

// receive appends a secret to the candidates, whoever has the lease. unanswered is when the last reset was sent that has no answer
// still, zero if there is none: the stamp of somebody else, who has the lease by now, is not touched. That one may have found the old
// secret good, too, and cleared the intent.
func (r *Record) receive(c Candidate, id string, unanswered, now time.Time) {
	r.add(c)
	if intent := r.raise(id, now); intent.ID == id {
		intent.Sent = unanswered
	}
}

// accept makes c the current secret, which the exchange has taken, unless a candidate has come since seen was loaded: so none is
// dropped that was not tried. The intent stays: what it says is another's to judge.
func (r *Record) accept(h holder, seen Record, c Candidate, now time.Time) error {
	if err := r.unmoved(h, seen); err != nil {
		return err
	}
	r.promote(c, now)
	return nil
}

// await has the intent say that the current secret works, for now.
func (r *Record) await() {
	if r.Intent != nil {
		r.Intent = new(*r.Intent)
		r.Intent.Settling = true
	}
}

// settle clears the intent, unless a candidate has come since seen was loaded.
func (r *Record) settle(h holder, seen Record) error {
	if err := r.unmoved(h, seen); err != nil {
		return err
	}
	r.Intent = nil
	return nil
}

func (r *Record) unmoved(h holder, seen Record) error {
	if !r.heldBy(h) {
		return ErrLeaseLost
	}
	for _, c := range r.Candidates {
		if !seen.has(c.Secret) {
			return errMoved
		}
	}
	return nil
}

// has reports whether the record knows the secret.
func (r *Record) has(s session.Secret) bool {
	return r.Current.Secret.Equal(s) || contains(r.Candidates, s)
}

// hasMore reports whether the record knows a secret that another does not.
func (r *Record) hasMore(other Record) bool {
	return slices.ContainsFunc(r.candidates(), func(c Candidate) bool { return !other.has(c.Secret) })
}

// newest is the greatest generation in the record.
func (r *Record) newest() uint64 {
	generation := r.Current.Generation
	for _, c := range r.Candidates {
		generation = max(generation, c.Generation)
	}
	return generation
}

// candidates are all secrets of the record in the order in which to try them, the newest first. The current one is the
// last, unless a person has supplied it after the others.
func (r *Record) candidates() []Candidate {
	all := append(slices.Clone(r.Candidates), r.Current)
	slices.SortStableFunc(all, func(a, b Candidate) int { return cmp.Compare(b.Generation, a.Generation) })
	return all
}

func (r *Record) credentials(c Candidate) session.Credentials {
	return session.Credentials{ClientID: r.ClientID, Secret: c.Secret, Generation: c.Generation}
}

// add appends a candidate, unless it is there already.
func (r *Record) add(c Candidate) {
	if r.has(c.Secret) {
		return
	}
	c.Generation = r.newest() + 1
	r.Candidates = append(slices.Clone(r.Candidates), c)
}

// candidateGrace is how long a candidate outlives the verification of a later one.
const candidateGrace = 24 * time.Hour

// promote makes c, which was verified, the current secret, and drops the candidates that have been superseded for long.
func (r *Record) promote(c Candidate, now time.Time) {
	if !r.Current.Secret.Equal(c.Secret) {
		c.Generation = max(c.Generation, r.Current.Generation+1)
		r.Current = c
	}
	r.Candidates = slices.DeleteFunc(slices.Clone(r.Candidates), func(other Candidate) bool {
		return now.Sub(other.Received) > candidateGrace || other.Secret.Equal(c.Secret)
	})
}

func contains(list []Candidate, s session.Secret) bool {
	return slices.ContainsFunc(list, func(c Candidate) bool { return c.Secret.Equal(s) })
}
