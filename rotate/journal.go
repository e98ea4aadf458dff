package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
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
