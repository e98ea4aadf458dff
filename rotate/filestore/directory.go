package filestore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdfast-ws/holdfast/rotate"
)

// directory is the directory of the file, held open: what is done in it cannot be led elsewhere by a link.
type directory struct {
	root  *os.Root
	path  string // of the file, for errors
	name  string // of the file in the directory
	fault func(point string) error
}

func openDirectory(path string, fault func(string) error) (*directory, error) {
	dir, name := filepath.Split(path)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("filestore: %s: directory: %w", path, err)
	}
	d := &directory{root: root, path: path, name: name, fault: fault}
	info, err := root.Stat(".")
	if err == nil {
		err = checkDirectory(info)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("filestore: %s: %w", dir, err), root.Close())
	}
	return d, nil
}

func (d *directory) close() error { return d.wrap("close", d.root.Close()) }

// The names of the lock and of the file that is being written. The latter is fixed, so that what a crash left is found.
func (d *directory) lockName() string { return "." + d.name + ".lock" }
func (d *directory) newName() string  { return "." + d.name + ".new" }

// wrap names the file and what was done to it.
func (d *directory) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("filestore: %s: %s: %w", d.path, what, err)
}

func (d *directory) reach(point string) error {
	if d.fault == nil {
		return nil
	}
	return d.fault(point)
}

// load returns the record in the file.
func (d *directory) load() (rotate.Record, error) {
	record, err := d.read(d.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return rotate.Record{}, d.wrap("load", rotate.ErrNotFound)
	case errors.Is(err, rotate.ErrCorrupt):
		return rotate.Record{}, d.wrap("restore it, or move it away and create it anew from the key's secret", err)
	}
	return record, d.wrap("load", err)
}

// read reads one of the directory's files.
func (d *directory) read(name string) (record rotate.Record, err error) {
	named, err := d.root.Lstat(name)
	if err != nil {
		return rotate.Record{}, err
	}
	if err := checkFile(named); err != nil {
		return rotate.Record{}, err
	}
	f, err := d.root.Open(name)
	if err != nil {
		return rotate.Record{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	opened, err := f.Stat()
	if err != nil {
		return rotate.Record{}, err
	}
	if !os.SameFile(named, opened) {
		return rotate.Record{}, fmt.Errorf("%w: it was replaced while it was opened", ErrPermissions)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	defer clear(text)
	switch {
	case err != nil:
		return rotate.Record{}, err
	case len(text) > maxFile:
		return rotate.Record{}, fmt.Errorf("%w: longer than %d bytes", rotate.ErrCorrupt, maxFile)
	}
	return decode(text)
}

// save writes a new file and puts it in the place of the old one.
func (d *directory) save(record rotate.Record) error {
	text, err := encode(record)
	if err != nil {
		return d.wrap("save", err)
	}
	defer clear(text)
	if err := d.write(text); err != nil {
		// After a flush that failed nothing is known of the file: the next Save writes another.
		if gone := d.root.Remove(d.newName()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return d.wrap("save", err)
	}
	return d.wrap("save", d.replace())
}

func (d *directory) write(text []byte) (err error) {
	if err := d.reach("create"); err != nil {
		return err
	}
	f, err := d.root.OpenFile(d.newName(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := d.reach("write"); err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := d.reach("sync"); err != nil {
		return err
	}
	return f.Sync()
}

// flush makes a new file durable that a crash may have left in memory only.
func (d *directory) flush() (err error) {
	f, err := d.root.OpenFile(d.newName(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := d.reach("sync"); err != nil {
		return err
	}
	return f.Sync()
}

// replace renames the new file over the old one, and makes that durable.
func (d *directory) replace() error {
	if err := d.reach("rename"); err != nil {
		return err
	}
	if err := d.root.Rename(d.newName(), d.name); err != nil {
		return err
	}
	if err := d.reach("syncdir"); err != nil {
		return err
	}
	return syncDirectory(d.root)
}

// finish completes what a crash has interrupted: a new file that is whole may hold the only copy of a secret.
func (d *directory) finish() error {
	next, err := d.read(d.newName())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, rotate.ErrCorrupt):
		return d.wrap("remove what a crash left", d.root.Remove(d.newName()))
	case err != nil:
		return d.wrap("what a crash left", err)
	}
	current, err := d.load()
	switch {
	case err != nil && !errors.Is(err, rotate.ErrNotFound):
		return err
	case next.Version == current.Version+1:
		if err := d.flush(); err != nil {
			return d.wrap("finish what a crash left", err)
		}
		return d.wrap("finish what a crash left", d.replace())
	}
	return d.wrap("remove what a crash left", d.root.Remove(d.newName()))
}
