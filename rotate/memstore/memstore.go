// Package memstore keeps the secret of an API key in memory, for tests and for programs whose secret comes from elsewhere at
// each start. It is not durable: what a rotation has stored there is lost with the process, and the new secret with it. A
// program that rotates a key of value uses package filestore, or a store of its own.
package memstore

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/holdfast-ws/holdfast/rotate"
)

// Store holds one record. It is safe for concurrent use; its zero value is empty, and ready to be used.
type Store struct {
	mu      sync.Mutex    // protects the fields below
	record  rotate.Record // of version 0 if there is none
	changed chan struct{} // closed by the next Save; nil while nobody waits for that
}

var _ rotate.Store = (*Store)(nil)

// New returns an empty Store.
func New() *Store { return new(Store) }

// Load returns the record; see [rotate.Store].
func (s *Store) Load(ctx context.Context) (rotate.Record, error) {
	if err := ctx.Err(); err != nil {
		return rotate.Record{}, fmt.Errorf("memstore: load: %w", err)
	}
	record, _ := s.now()
	if record.Version == 0 {
		return rotate.Record{}, fmt.Errorf("memstore: load: %w", rotate.ErrNotFound)
	}
	return record, nil
}

// Save replaces the record; see [rotate.Store].
func (s *Store) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("memstore: save: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record.Version != ifVersion {
		return 0, fmt.Errorf("memstore: save: %w: version %d, not %d", rotate.ErrConflict, s.record.Version, ifVersion)
	}
	s.record = record.Clone()
	s.record.Version = ifVersion + 1
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return s.record.Version, nil
}

// Watch yields the record, once there is one, and each newer one at once; see [rotate.Store].
func (s *Store) Watch(ctx context.Context) iter.Seq2[rotate.Record, error] {
	return func(yield func(rotate.Record, error) bool) {
		var seen uint64
		for ctx.Err() == nil {
			record, changed := s.now()
			if record.Version > seen {
				seen = record.Version
				if !yield(record, nil) {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// now returns the record, and what is closed when it is replaced.
func (s *Store) now() (rotate.Record, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.record.Clone(), s.changed
}
