package filestore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/holdfast-ws/holdfast/rotate"
)

// directory is the file and what stands beside it.
type directory struct {
	disk disk
	path string // of the file, for errors
	name string // of the file in the directory
}

// The names of the lock and of the files that are being written. They are fixed, so that what a crash left is found.
func (d *directory) lockName() string    { return "." + d.name + ".lock" }
func (d *directory) newName() string     { return "." + d.name + ".new" }
func (d *directory) againName() string   { return "." + d.name + ".again" }
func (d *directory) reserveName() string { return "." + d.name + ".reserve" }

// wrap names the file and what was done to it.
func (d *directory) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("filestore: %s: %s: %w", d.path, what, err)
}

// load returns the record in the file.
func (d *directory) load() (rotate.Record, error) {
	record, err := d.read(d.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return rotate.Record{}, d.wrap("load", rotate.ErrNotFound)
	case errors.Is(err, rotate.ErrCorrupt) && !errors.Is(err, errVersion):
		return rotate.Record{}, d.wrap("it is damaged: restore it, or move it away and create it anew from the key's secret", err)
	}
	return record, d.wrap("load", err)
}

// read reads one of the directory's files.
func (d *directory) read(name string) (record rotate.Record, err error) {
	named, err := d.disk.Lstat(name)
	if err != nil {
		return rotate.Record{}, err
	}
	if err := checkFile(named); err != nil {
		return rotate.Record{}, err
	}
	f, err := d.disk.Open(name, os.O_RDONLY)
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

// save writes a new file and puts it in the place of the old one. What comes before a reset leaves the reserve alone, and fails without one:
// the reserve is for a secret that the old file lacks, which nobody else may have.
func (d *directory) save(record, old rotate.Record) error {
	text, err := encode(record)
	if err != nil {
		return d.wrap("save", err)
	}
	defer clear(text)
	kept, write := d.keepReserve(), d.create
	switch more := hasMore(record, old); {
	case kept != nil && !more:
		return d.wrap("save: keep room for the next", kept)
	case kept == nil && more:
		write = d.put
	}
	if err := write(d.newName(), text); err != nil {
		return d.wrap("save", err)
	}
	if err := d.disk.Rename(d.newName(), d.name); err != nil {
		return d.wrap("save", err)
	}
	return d.wrap("save", d.disk.Sync())
}

// hasMore reports whether a record has a secret of the key that another lacks.
func hasMore(record, old rotate.Record) bool {
	known := secrets(old)
	return slices.ContainsFunc(secrets(record), func(c rotate.Candidate) bool {
		return !c.Secret.IsZero() && !slices.ContainsFunc(known, func(k rotate.Candidate) bool { return k.Secret.Equal(c.Secret) })
	})
}

// secrets are those of the key, and of the one that takes its place. A rescue token is none: a reset follows it, whose secret needs the room.
func secrets(r rotate.Record) []rotate.Candidate {
	all := append(slices.Clone(r.Candidates), r.Current)
	if r.Replacement != nil {
		all = append(all, rotate.Candidate{Secret: r.Replacement.Secret})
	}
	return all
}

// create writes a new file, which is durable when its name is. What it leaves behind when it fails is for finish to judge.
func (d *directory) create(name string, text []byte) error {
	return d.write(name, os.O_CREATE|os.O_EXCL, text)
}

// put is create. If there is no room for another file, it takes the reserve.
func (d *directory) put(name string, text []byte) error {
	err := d.create(name, text)
	if err == nil {
		return nil
	}
	// After a flush that failed nothing is known of the file, and another flush would tell nothing: it has to be another file.
	again := d.disk.Rename(d.reserveName(), name)
	switch {
	case again == nil:
		again = d.write(name, 0, text)
	case errors.Is(again, fs.ErrNotExist):
		again = errNoReserve
	}
	if again != nil {
		return errors.Join(err, again)
	}
	return nil
}

var errNoReserve = errors.New("no reserve is left")

// write writes a file from its beginning, and flushes it.
func (d *directory) write(name string, flag int, text []byte) (err error) {
	f, err := d.disk.Open(name, os.O_WRONLY|flag)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if flag&os.O_CREATE == 0 {
		if err := f.Truncate(int64(len(text))); err != nil {
			return err
		}
	}
	return f.Sync()
}

// remove removes a file that may not be there.
func (d *directory) remove(name string) error {
	if err := d.disk.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// reserveSize is that of a record with some eighty candidates, or with three private keys of RSA, the longest that are in use.
const reserveSize = 16 << 10

// keepReserve has room on the disk for one more Save: the one that follows a reset must not fail because the disk has filled
// up since the ones before it. Where a file that is written over gets new room, as on btrfs and ZFS, it is of no use.
func (d *directory) keepReserve() error {
	info, err := d.disk.Lstat(d.reserveName())
	switch {
	case err == nil && info.Size() == reserveSize:
		return checkFile(info)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := d.remove(d.reserveName()); err != nil {
		return err
	}
	if err := d.write(d.reserveName(), os.O_CREATE|os.O_EXCL, make([]byte, reserveSize)); err != nil {
		return errors.Join(err, d.remove(d.reserveName())) // it looks like one, but may have no room
	}
	return nil
}

// finish completes what a crash has interrupted: a new file that is whole may hold the only copy of a secret.
func (d *directory) finish() error {
	next, err := d.read(d.newName())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, rotate.ErrCorrupt) && !errors.Is(err, errVersion):
		return d.wrap("remove what a crash left", d.disk.Remove(d.newName()))
	case err != nil:
		return d.wrap("what a crash left", err)
	}
	current, err := d.load()
	switch {
	case err != nil && !errors.Is(err, rotate.ErrNotFound):
		return err
	case next.Version == current.Version+1:
		return d.wrap("finish what a crash left", d.adopt(next))
	}
	return d.wrap("remove what a crash left", d.disk.Remove(d.newName()))
}

// adopt puts a record that a crash left in the place of the old one. It is written once more: nobody knows whether its flush was
// tried, and has failed.
func (d *directory) adopt(record rotate.Record) error {
	text, err := encode(record)
	if err != nil {
		return err
	}
	defer clear(text)
	if err := d.remove(d.againName()); err != nil {
		return err
	}
	if err := d.put(d.againName(), text); err != nil {
		return err
	}
	if err := d.disk.Rename(d.againName(), d.name); err != nil {
		return err
	}
	return errors.Join(d.remove(d.newName()), d.disk.Sync())
}
