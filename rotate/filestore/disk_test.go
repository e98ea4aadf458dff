package filestore_test

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// operation is what a disk can fail at.
type operation string

const (
	opCreate   operation = "create"
	opWrite    operation = "write"
	opTruncate operation = "truncate"
	opSync     operation = "sync"
	opRename   operation = "rename"
	opRemove   operation = "remove"
	opSyncDir  operation = "sync directory"
)

// Errors of the model. errShort leaves the half of a write behind; errAfter fails what was done.
var (
	errBroken = errors.New("input/output error")
	errShort  = errors.New("no space left on device, after a half")
	errAfter  = errors.New("input/output error, after the effect")
)

// model is a disk on a real directory, with its own idea of what would be left of it if the power were lost. What was written
// is there after a flush; what was renamed or removed, and what has come into being, after a flush of the directory, or a beginning of
// it before. A flush that has failed is the last that says anything of its file.
type model struct {
	dir    string
	before func(operation) error // is asked before each operation; nil for nobody
	deaf   operation             // is not done at all, and reported as done: a mutant of the code
	trace  []operation

	names   map[string]*inode   // as they are now
	history []map[string]*inode // the directories that a loss of power may leave, the one last flushed first
}

// inode is a file's content.
type inode struct {
	now, synced []byte
	gone        bool // a flush has failed: its dirty pages count as clean
}

// newModel begins with what is in the directory, as durable.
func newModel(t *testing.T, dir string) *model {
	t.Helper()
	m := &model{dir: dir, names: map[string]*inode{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m.names[e.Name()] = &inode{now: text, synced: text}
	}
	m.history = []map[string]*inode{maps.Clone(m.names)}
	return m
}

// serve has the Store work on the model.
func (m *model) serve(s *filestore.Store) {
	filestore.SetDisk(s, func(d filestore.Disk) filestore.Disk { return modelDisk{d, m} })
}

// do does an operation, unless it fails.
func (m *model) do(op operation, effect func() error) error {
	m.trace = append(m.trace, op)
	var failure error
	if m.before != nil {
		failure = m.before(op)
	}
	if failure != nil && !errors.Is(failure, errAfter) {
		return failure
	}
	if op == m.deaf {
		return failure
	}
	if err := effect(); err != nil {
		return err
	}
	return failure
}

// whole is a file as it is now, nil if there is none.
func (m *model) whole(name string) []byte {
	i, ok := m.names[name]
	if !ok {
		return nil
	}
	return i.now
}

// moved notes that the directory has changed.
func (m *model) moved() { m.history = append(m.history, maps.Clone(m.names)) }

// images are the directories that a loss of power may leave: each state since the last flush, with the flushed part of each file,
// all of it, or all of it but its end.
func (m *model) images() []map[string][]byte {
	var images []map[string][]byte
	for _, names := range m.history {
		for _, left := range []func(*inode) []byte{
			func(i *inode) []byte { return i.synced },
			func(i *inode) []byte { return i.now },
			func(i *inode) []byte {
				if slices.Equal(i.now, i.synced) {
					return i.now
				}
				return i.now[:len(i.now)/2]
			},
		} {
			image := make(map[string][]byte, len(names))
			for name, i := range names {
				image[name] = left(i)
			}
			images = append(images, image)
		}
	}
	return images
}

// restore makes a new directory of an image, and returns the path of the store's file in it.
func restore(t *testing.T, image map[string][]byte) string {
	t.Helper()
	path := safePath(t)
	for name, text := range image {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// modelDisk is a directory that the model knows of.
type modelDisk struct {
	filestore.Disk

	m *model
}

func (d modelDisk) Open(name string, flag int) (filestore.File, error) {
	var f filestore.File
	if flag&os.O_CREATE == 0 {
		f, err := d.Disk.Open(name, flag)
		return &modelFile{f, d.m, d.m.names[name]}, err
	}
	i := &inode{}
	err := d.m.do(opCreate, func() (err error) {
		if f, err = d.Disk.Open(name, flag); err != nil {
			return err
		}
		d.m.names[name] = i
		d.m.moved()
		return nil
	})
	if err != nil {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
		return nil, err
	}
	return &modelFile{f, d.m, i}, nil
}

func (d modelDisk) Rename(from, to string) error {
	return d.m.do(opRename, func() error {
		if err := d.Disk.Rename(from, to); err != nil {
			return err
		}
		d.m.names[to] = d.m.names[from]
		delete(d.m.names, from)
		d.m.moved()
		return nil
	})
}

func (d modelDisk) Remove(name string) error {
	if _, err := d.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.m.do(opRemove, func() error {
		if err := d.Disk.Remove(name); err != nil {
			return err
		}
		delete(d.m.names, name)
		d.m.moved()
		return nil
	})
}

func (d modelDisk) Sync() error {
	return d.m.do(opSyncDir, func() error {
		d.m.history = []map[string]*inode{maps.Clone(d.m.names)}
		return nil
	})
}

// modelFile is a file that the model knows of.
type modelFile struct {
	filestore.File

	m *model
	i *inode
}

func (f *modelFile) Write(text []byte) (n int, err error) {
	write := func(text []byte) (err error) {
		n, err = f.File.Write(text)
		f.i.now = slices.Concat(text[:n], f.i.now[min(n, len(f.i.now)):]) // each file is written at once
		return err
	}
	err = f.m.do(opWrite, func() error { return write(text) })
	if errors.Is(err, errShort) {
		err = errors.Join(err, write(text[:len(text)/2]))
	}
	if err == nil && n < len(text) {
		n = len(text) // deaf
	}
	return n, err
}

func (f *modelFile) Truncate(size int64) error {
	return f.m.do(opTruncate, func() error {
		f.i.now = f.i.now[:size]
		return f.File.Truncate(size)
	})
}

func (f *modelFile) Sync() error {
	err := f.m.do(opSync, func() error {
		if !f.i.gone {
			f.i.synced = slices.Clone(f.i.now)
		}
		return nil
	})
	f.i.gone = f.i.gone || err != nil
	return err
}

var _ io.Writer = (*modelFile)(nil)
