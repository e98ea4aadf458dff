package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
)

// Each of these stores breaks one clause of the contract, and is a good one otherwise.

// lostUpdate compares, and swaps some time later.
type lostUpdate struct{ *memstore.Store }

func (s lostUpdate) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	now, err := s.Store.Load(ctx)
	if err != nil && !errors.Is(err, rotate.ErrNotFound) {
		return 0, err
	}
	if now.Version != ifVersion {
		return 0, rotate.ErrConflict
	}
	for range 10 {
		runtime.Gosched()
	}
	for {
		version, saved := s.Store.Save(ctx, r, now.Version)
		if saved == nil {
			return ifVersion + 1, nil
		}
		if now, err = s.Store.Load(ctx); err != nil {
			return version, err
		}
	}
}

// blind ignores the version.
type blind struct{ *memstore.Store }

func (s blind) Save(ctx context.Context, r rotate.Record, _ uint64) (uint64, error) {
	now, _ := s.Store.Load(ctx)
	return s.Store.Save(ctx, r, now.Version)
}

// untyped refuses with an error of its own.
type untyped struct{ *memstore.Store }

func (s untyped) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	version, err := s.Store.Save(ctx, r, ifVersion)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("no: %s", err) //nolint:errorlint // the point of it
	}
	return version, err
}

// printing quotes the record that it refuses.
type printing struct{ *memstore.Store }

func (s printing) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	version, err := s.Store.Save(ctx, r, ifVersion)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, r.Current.Secret.Reveal())
	}
	return version, err
}

// deaf does not look at its ctx.
type deaf struct{ *memstore.Store }

func (s deaf) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	return s.Store.Save(context.WithoutCancel(ctx), r, ifVersion)
}

// stale returns what stood before, to every second Load.
type stale struct {
	*memstore.Store

	mu     sync.Mutex // protects the fields below
	before rotate.Record
	loads  int
}

func (s *stale) Load(ctx context.Context) (rotate.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.Store.Load(ctx)
	before := s.before
	s.before = now.Clone()
	if s.loads++; s.loads%2 == 0 && before.Version != 0 {
		return before.Clone(), err
	}
	return now, err
}

// inPlace writes a record half by half: who loads next after a Save sees one half.
type inPlace struct {
	*memstore.Store

	mu   sync.Mutex // protects half
	half *rotate.Record
}

func (s *inPlace) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	version, err := s.Store.Save(ctx, r, ifVersion)
	if err != nil {
		return version, err
	}
	half := r.Clone()
	half.Version, half.Current, half.ClientID = version, rotate.Candidate{}, ""
	s.swap(&half)
	return version, nil
}

func (s *inPlace) swap(half *rotate.Record) (before *rotate.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, s.half = s.half, half
	return before
}

func (s *inPlace) Load(ctx context.Context) (rotate.Record, error) {
	if half := s.swap(nil); half != nil {
		return half.Clone(), nil
	}
	return s.Store.Load(ctx)
}

// sharing keeps the memory that it was given, or what its function says of it.
type sharing struct {
	*memstore.Store

	share func(to *rotate.Record, from rotate.Record)

	mu   sync.Mutex // protects kept
	kept rotate.Record
}

func (s *sharing) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version, err := s.Store.Save(ctx, r, ifVersion)
	if err == nil {
		s.kept = s.copied(r)
		s.kept.Version = version
	}
	return version, err
}

func (s *sharing) Load(ctx context.Context) (rotate.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.Store.Load(ctx); err != nil {
		return rotate.Record{}, err
	}
	return s.copied(s.kept), nil
}

func (s *sharing) copied(r rotate.Record) rotate.Record {
	to := r.Clone()
	s.share(&to, r)
	return to
}

// changing saves what its function makes of a record and of the one that stands.
type changing struct {
	*memstore.Store

	change func(next *rotate.Record, now rotate.Record)
}

func (s changing) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	now, _ := s.Store.Load(ctx)
	r = r.Clone()
	s.change(&r, now)
	return s.Store.Save(ctx, r, ifVersion)
}

// watching has a Watch of its own.
type watching struct {
	*memstore.Store

	watch func(context.Context, *memstore.Store) iter.Seq2[rotate.Record, error]
}

func (s watching) Watch(ctx context.Context) iter.Seq2[rotate.Record, error] {
	return s.watch(ctx, s.Store)
}

// once yields what stands, and no more.
func once(ctx context.Context, s *memstore.Store) iter.Seq2[rotate.Record, error] {
	return func(yield func(rotate.Record, error) bool) {
		if record, err := s.Load(ctx); yield(record, err) {
			<-ctx.Done()
		}
	}
}

// lateFirst does not yield what stands.
func lateFirst(ctx context.Context, s *memstore.Store) iter.Seq2[rotate.Record, error] {
	return func(yield func(rotate.Record, error) bool) {
		first := true
		for record, err := range s.Watch(ctx) {
			if first {
				first = false
				continue
			}
			if !yield(record, err) {
				return
			}
		}
	}
}

// again yields each record twice.
func again(ctx context.Context, s *memstore.Store) iter.Seq2[rotate.Record, error] {
	return func(yield func(rotate.Record, error) bool) {
		for record, err := range s.Watch(ctx) {
			for range 2 {
				if !yield(record, err) {
					return
				}
			}
		}
	}
}

// everySecond skips every second record, be it the last.
func everySecond(ctx context.Context, s *memstore.Store) iter.Seq2[rotate.Record, error] {
	return func(yield func(rotate.Record, error) bool) {
		for record, err := range s.Watch(ctx) {
			if record.Version%2 == 0 && !yield(record, err) {
				return
			}
		}
	}
}

// endless goes on after its ctx.
func endless(ctx context.Context, s *memstore.Store) iter.Seq2[rotate.Record, error] {
	return func(yield func(rotate.Record, error) bool) {
		for record, err := range s.Watch(ctx) {
			if !yield(record, err) {
				return
			}
		}
		for yield(rotate.Record{Version: 1000}, nil) {
			runtime.Gosched()
		}
	}
}
