package filestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// Sentinel errors; compare with errors.Is. [rotate.ErrNotFound], [rotate.ErrConflict] and [rotate.ErrCorrupt] come too.
var (
	// ErrPermissions refuses a file or directory to which others have access, or which is not what it seems.
	ErrPermissions = errors.New("not safe")
	// ErrRollback refuses a file that is older than one that this Store has seen.
	ErrRollback = errors.New("older than it was before")
)

// Store is a file that holds one record. It is safe for concurrent use, by several processes too. It holds nothing open.
type Store struct {
	// WatchInterval is how often Watch looks at the file; 0 means a second. It is set before the Store is used.
	WatchInterval time.Duration

	path string
	open func(dir string) (disk, error)

	mu   sync.Mutex // protects seen
	seen uint64     // the greatest version that is known to be durable
}

var _ rotate.Store = (*Store)(nil)

// Open returns the store in the file of that name, which may not exist yet, in a directory that must. Its error matches
// [ErrPermissions], [fs.ErrNotExist] or [errors.ErrUnsupported]; the file itself is looked at by Load.
func Open(path string) (*Store, error) {
	if path == "" {
		return nil, fmt.Errorf("filestore: the path is empty: %w", fs.ErrNotExist)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("filestore: %s: %w", path, err)
	}
	if !canLock {
		return nil, fmt.Errorf("filestore: %s: no file locks on this system: %w", path, errors.ErrUnsupported)
	}
	d, err := openDirectory(path, openRoot)
	if err != nil {
		return nil, err
	}
	return &Store{path: path, open: openRoot}, d.close()
}

// errNoSecret refuses a first record that is good for nothing.
var errNoSecret = errors.New("filestore: the first record needs ClientID and Current.Secret")

// Create makes the file with its first record. Its error matches [fs.ErrExist] if there is one already.
func Create(ctx context.Context, path string, record rotate.Record) (*Store, error) {
	if record.ClientID == "" || record.Current.Secret.IsZero() {
		return nil, errNoSecret
	}
	s, err := Open(path)
	if err != nil {
		return nil, err
	}
	_, err = s.Save(ctx, record, 0)
	if errors.Is(err, rotate.ErrConflict) {
		return nil, fmt.Errorf("filestore: %s: %w: move it away to begin anew", s.path, fs.ErrExist)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Load returns the record in the file. ctx bounds the wait for the lock.
func (s *Store) Load(ctx context.Context) (rotate.Record, error) {
	var record rotate.Record
	err := s.locked(ctx, func(d *directory) (err error) {
		record, err = s.load(d)
		return err
	})
	return record, err
}

// load refuses a file that has gone back in time. What it returns is durable: whoever has put it there may have died before
// it was, and what was read must not be undone.
func (s *Store) load(d *directory) (rotate.Record, error) {
	record, err := d.load()
	if err != nil {
		return rotate.Record{}, err
	}
	switch seen := s.saw(); {
	case record.Version < seen:
		return rotate.Record{}, fmt.Errorf("filestore: %s: %w: version %d after %d: was a backup restored? start anew to accept it",
			s.path, ErrRollback, record.Version, seen)
	case record.Version > seen:
		if err := d.disk.Sync(); err != nil {
			return rotate.Record{}, d.wrap("load", err)
		}
		s.see(record.Version)
	}
	return record, nil
}

func (s *Store) saw() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *Store) see(version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = max(s.seen, version)
}

// Save replaces the file; see [rotate.Store]. ctx bounds the wait for the lock.
func (s *Store) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	record.Version = ifVersion + 1
	err := s.locked(ctx, func(d *directory) error {
		current, err := s.load(d)
		if err != nil && !errors.Is(err, rotate.ErrNotFound) {
			return err
		}
		if current.Version != ifVersion {
			return fmt.Errorf("filestore: %s: %w: version %d, not %d", s.path, rotate.ErrConflict, current.Version, ifVersion)
		}
		return d.save(record, current)
	})
	if err != nil {
		return 0, err
	}
	s.see(record.Version)
	return record.Version, nil
}

// Watch looks at the file every WatchInterval; see [rotate.Store]. An error is yielded once, until another takes its place.
// What it reads is the version, not the time of the last change: two changes may have the same.
func (s *Store) Watch(ctx context.Context) iter.Seq2[rotate.Record, error] {
	return func(yield func(rotate.Record, error) bool) {
		ticker := time.NewTicker(cmp.Or(max(s.WatchInterval, 0), time.Second))
		defer ticker.Stop()
		var version uint64
		var told string
		for ctx.Err() == nil {
			record, err := s.Load(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil && err.Error() != told:
				told = err.Error()
				if !yield(rotate.Record{}, err) {
					return
				}
			case err == nil && record.Version != version:
				version, told = record.Version, ""
				if !yield(record, nil) {
					return
				}
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}
}

// locked runs fn while no other process, and no other goroutine, is at the file.
func (s *Store) locked(ctx context.Context, fn func(*directory) error) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("filestore: %s: %w", s.path, err)
	}
	d, err := openDirectory(s.path, s.open)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	lock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // which unlocks
	if err := d.finish(); err != nil {
		return err
	}
	return fn(d)
}

// lockInterval is between two attempts to lock.
const lockInterval = 5 * time.Millisecond

// lock waits for the lock.
func (d *directory) lock(ctx context.Context) (io.Closer, error) {
	ticker := time.NewTicker(lockInterval)
	defer ticker.Stop()
	for {
		lock, err := d.disk.Lock(d.lockName())
		if err == nil {
			return lock, nil
		}
		if !isLocked(err) {
			return nil, d.wrap("lock", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, d.wrap("lock: another process holds it", ctx.Err())
		}
	}
}
