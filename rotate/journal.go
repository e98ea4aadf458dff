package rotate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
)

// journal is the store as rotations use it: a record that is changed by compare-and-swap. A store whose disk hangs may not return for
// hours, whatever the end of ctx says: each access is made on a goroutine of its own, which is left behind then. There is one at most: the
// next access waits until it has returned, so that none overtakes it.
type journal struct {
	store   Store
	timeout time.Duration
	turn    chan struct{}             // is full while there is a goroutine
	began   atomic.Pointer[time.Time] // when its access did; nil while there is none
}

func newJournal(store Store, timeout time.Duration) *journal {
	return &journal{store: store, timeout: timeout, turn: make(chan struct{}, 1)}
}

func (j *journal) load(ctx context.Context) (Record, error) {
	record, err := j.access(ctx, j.store.Load)
	if err != nil {
		return Record{}, fmt.Errorf("rotate: store: load: %w", err)
	}
	return record, nil
}

func (j *journal) save(ctx context.Context, record Record, ifVersion uint64) (Record, error) {
	saved, err := j.access(ctx, func(ctx context.Context) (Record, error) {
		version, err := j.store.Save(ctx, record, ifVersion)
		next := record
		next.Version = version
		return next, err
	})
	if err != nil {
		return Record{}, fmt.Errorf("rotate: store: save: %w", err)
	}
	return saved, nil
}

// errHangs is a store that has not returned in its time, and still has not.
var errHangs = errors.New("it hangs: it has not returned from an earlier access: see whether its disk or server does")

// lastWord is how long a store may take after the end of ctx to say what it was waiting for.
const lastWord = 100 * time.Millisecond

// access has the store do one thing, until ctx ends or the journal's timeout is over. What comes later is nobody's: it counts as an error
// of which nobody knows whether it has changed the record.
func (j *journal) access(ctx context.Context, do func(context.Context) (Record, error)) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	if err := j.take(ctx); err != nil {
		return Record{}, err
	}
	type answer struct {
		record Record
		err    error
	}
	came := make(chan answer, 1)
	go func() { // joined through turn
		record, err := do(ctx)
		j.began.Store(nil)
		<-j.turn
		came <- answer{record, err}
	}()
	select {
	case a := <-came:
		return a.record, a.err
	case <-ctx.Done():
	}
	late := time.NewTimer(lastWord)
	defer late.Stop()
	select {
	case a := <-came:
		return a.record, a.err
	case <-late.C:
		return Record{}, fmt.Errorf("it has not returned: %w", ctx.Err())
	}
}

// take waits for the end of the access under way. That of a store that hangs is not waited for.
func (j *journal) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if began := j.began.Load(); began != nil && time.Since(*began) >= j.timeout {
		return errHangs
	}
	select {
	case j.turn <- struct{}{}:
		j.began.Store(new(time.Now()))
		return nil
	case <-ctx.Done():
		return fmt.Errorf("it has not returned from an earlier access: %w", ctx.Err())
	}
}

// rest waits until the store has returned, or ctx ends.
func (j *journal) rest(ctx context.Context) {
	select {
	case j.turn <- struct{}{}:
		<-j.turn
	case <-ctx.Done():
	}
}

// update changes the record as it stands. change is called again with a newer record if somebody else was faster; its
// error ends the update. It must bear being applied to a record that it has changed before: a Save that failed may yet
// have happened.
func (j *journal) update(ctx context.Context, change func(*Record) error) (Record, error) {
	waits := retry.Backoff(time.Millisecond, 100*time.Millisecond)
	for {
		record, err := j.load(ctx)
		if err != nil {
			return Record{}, err
		}
		if err := change(&record); err != nil {
			return Record{}, err
		}
		saved, err := j.save(ctx, record, record.Version)
		if err == nil || !errors.Is(err, ErrConflict) {
			return saved, err
		}
		if err := pause(ctx, nil, waits.NextBackOff()); err != nil {
			return Record{}, err
		}
	}
}

// pause waits for d, unless ctx ends or stop is closed first.
func pause(ctx context.Context, stop <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-stop:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
