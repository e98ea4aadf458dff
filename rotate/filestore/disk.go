package filestore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// disk is the directory, as far as it is used. Tests have one that fails and forgets.
type disk interface {
	Lstat(name string) (fs.FileInfo, error)
	Open(name string, flag int) (file, error)
	Rename(from, to string) error
	Remove(name string) error
	// Sync makes what was renamed and removed durable.
	Sync() error
	// Lock fails with an error for which isLocked is true if somebody else has the lock. Closing it unlocks.
	Lock(name string) (io.Closer, error)
	Close() error
}

type file interface {
	io.ReadWriteCloser
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	Sync() error
}

// root is a directory held open: what is done in it cannot be led elsewhere by a link.
type root struct{ *os.Root }

func openRoot(dir string) (_ disk, err error) {
	opened, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	info, err := opened.Stat(".")
	if err == nil {
		err = checkDirectory(info)
	}
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return root{opened}, nil
}

func (r root) Open(name string, flag int) (file, error) { return r.OpenFile(name, flag, 0o600) }

func (r root) Sync() error { return syncDirectory(r.Root) }

func (r root) Lock(name string) (io.Closer, error) { return tryLock(r.Root, name) }

// openDirectory opens the file's directory with open.
func openDirectory(path string, open func(dir string) (disk, error)) (*directory, error) {
	dir, name := filepath.Split(path)
	opened, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("filestore: %s: directory: %w", path, err)
	}
	return &directory{disk: opened, path: path, name: name}, nil
}

func (d *directory) close() error { return d.wrap("close", d.disk.Close()) }
