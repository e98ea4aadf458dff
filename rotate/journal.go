package rotate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
	"github.com/holdfast-ws/holdfast/session"
)

// journal is the store as rotations use it: a record that is changed by compare-and-swap.
type journal struct {
	store   Store
	timeout time.Duration
}

func (j journal) load(ctx context.Context) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	record, err := j.store.Load(ctx)
	if err != nil {
		return Record{}, fmt.Errorf("rotate: store: load: %w", err)
	}
	return record, nil
}

func (j journal) save(ctx context.Context, record Record, ifVersion uint64) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	version, err := j.store.Save(ctx, record, ifVersion)
	if err != nil {
		return Record{}, fmt.Errorf("rotate: store: save: %w", err)
	}
	record.Version = version
	return record, nil
}

// update changes the record as it stands. change is called again with a newer record if somebody else was faster; its
// error ends the update. It must bear being applied to a record that it has changed before: a Save that failed may yet
// have happened.
func (j journal) update(ctx context.Context, change func(*Record) error) (Record, error) {
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

// has reports whether the record knows the secret.
func (r Record) has(s session.Secret) bool {
	return r.Current.Secret.Equal(s) || contains(r.Candidates, s)
}

// newest is the greatest generation in the record.
func (r Record) newest() uint64 {
	generation := r.Current.Generation
	for _, c := range r.Candidates {
		generation = max(generation, c.Generation)
	}
	return generation
}

// candidates are all secrets of the record in the order in which to try them, the newest first. The current one is the
// last, unless a person has supplied it after the others.
func (r Record) candidates() []Candidate {
	all := append(slices.Clone(r.Candidates), r.Current)
	slices.SortStableFunc(all, func(a, b Candidate) int { return cmp.Compare(b.Generation, a.Generation) })
	return all
}

func (r Record) credentials(c Candidate) session.Credentials {
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
