package filestore_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// site is one of the places at which the store asks the system for something.
type site string

// sites are all of them, but the opening of the directory.
var sites = []site{
	"lstat", "open", "create", "stat", "read", "write", "truncate", "fsync", "close", "rename", "unlink", "fsync directory", "lock", "unlock",
	"close directory",
}

// refusing is a directory that refuses the n-th thing it is asked for.
type refusing struct {
	filestore.Disk

	r *refusal
}

type refusal struct {
	n       int // counted from 1
	errno   syscall.Errno
	full    bool // no file can be created at all
	asked   int
	refused site
}

// ask refuses, or has the effect. What is closed is closed in any case.
func (r *refusal) ask(at site, effect func() error) error {
	r.asked++
	switch {
	case r.asked == r.n:
	case r.full && at == "create":
		return r.errno
	default:
		return effect()
	}
	r.refused = at
	if strings.Contains(string(at), "close") || at == "unlock" {
		return errors.Join(r.errno, effect())
	}
	return r.errno
}

func (d refusing) Lstat(name string) (info fs.FileInfo, err error) {
	err = d.r.ask("lstat", func() error { info, err = d.Disk.Lstat(name); return err })
	return info, err
}

func (d refusing) Open(name string, flag int) (f filestore.File, err error) {
	at := site("open")
	if flag&os.O_CREATE != 0 {
		at = "create"
	}
	err = d.r.ask(at, func() error { f, err = d.Disk.Open(name, flag); return err })
	return refusingFile{f, d.r}, err
}

func (d refusing) Rename(from, to string) error {
	return d.r.ask("rename", func() error { return d.Disk.Rename(from, to) })
}

func (d refusing) Remove(name string) error {
	return d.r.ask("unlink", func() error { return d.Disk.Remove(name) })
}

func (d refusing) Sync() error { return d.r.ask("fsync directory", d.Disk.Sync) }

func (d refusing) Lock(name string) (lock io.Closer, err error) {
	err = d.r.ask("lock", func() error { lock, err = d.Disk.Lock(name); return err })
	return unlocking{lock, d.r}, err
}

func (d refusing) Close() error { return d.r.ask("close directory", d.Disk.Close) }

type unlocking struct {
	io.Closer

	r *refusal
}

func (l unlocking) Close() error { return l.r.ask("unlock", l.Closer.Close) }

type refusingFile struct {
	filestore.File

	r *refusal
}

func (f refusingFile) Stat() (info fs.FileInfo, err error) {
	err = f.r.ask("stat", func() error { info, err = f.File.Stat(); return err })
	return info, err
}

func (f refusingFile) Read(text []byte) (n int, err error) {
	err = f.r.ask("read", func() error { n, err = f.File.Read(text); return err })
	return n, err
}

func (f refusingFile) Write(text []byte) (n int, err error) {
	err = f.r.ask("write", func() error { n, err = f.File.Write(text); return err })
	return n, err
}

func (f refusingFile) Truncate(size int64) error {
	return f.r.ask("truncate", func() error { return f.File.Truncate(size) })
}

func (f refusingFile) Sync() error { return f.r.ask("fsync", f.File.Sync) }

func (f refusingFile) Close() error { return f.r.ask("close", f.File.Close) }

// TestG4Errno refuses each thing that a Load and a Save ask the system for, one at a time, with each error that a disk has when it is
// broken or full, over each directory that a crash may have left. The caller is told of that error or of success, never of another, and
// never of a success that is not so; then the power is lost, or the process just goes on: the record is the old or the new one.
func TestG4Errno(t *testing.T) {
	t.Parallel()
	reached := map[site]int{}
	trials := 0
	g := &rig{known: map[string]outcome{}}
	for what, image := range leftovers(t) {
		for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT} {
			for _, save := range []bool{false, true} {
				for _, full := range []bool{false, true} {
					for _, at := range g.refuseEach(t, start{what, image, save}, refusal{errno: errno, full: full}) {
						reached[at]++
						trials++
					}
				}
			}
		}
	}
	t.Logf("%d refusals: %v", trials, reached)
	for _, at := range sites {
		if reached[at] == 0 {
			t.Errorf("%s was never refused", at)
		}
	}
}

// leftovers are directories in which a Save of generation 2 follows generation 1.
func leftovers(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	path := safePath(t)
	create(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	next := record(2)
	next.Version = 2
	left, err := filestore.Encode(next)
	if err != nil {
		t.Fatal(err)
	}
	reserve := make([]byte, 16<<10)
	with := func(more map[string][]byte) map[string][]byte {
		image := map[string][]byte{"key": whole}
		maps.Copy(image, more)
		return image
	}
	return map[string]map[string][]byte{
		"with a reserve":    with(map[string][]byte{".key.reserve": reserve}),
		"without a reserve": with(nil),
		"torn reserve":      with(map[string][]byte{".key.reserve": reserve[:100]}),
		"new file, whole":   with(map[string][]byte{".key.reserve": reserve, ".key.new": left}),
		"new file, torn":    with(map[string][]byte{".key.reserve": reserve, ".key.new": left[:len(left)/2]}),
		"new file, twice":   with(map[string][]byte{".key.new": left, ".key.again": left[:len(left)/2]}),
		"new file, old":     with(map[string][]byte{".key.reserve": reserve, ".key.new": whole}),
		"nothing but new":   {".key.reserve": reserve, ".key.new": whole},
	}
}

// start is where a Load or a Save begins.
type start struct {
	what  string
	image map[string][]byte
	save  bool
}

// refuseEach refuses one thing after another, and returns where that was.
func (g *rig) refuseEach(t *testing.T, from start, r refusal) (refused []site) {
	t.Helper()
	for {
		r.n++
		one := r
		g.refuse(t, from, &one)
		if one.refused == "" {
			return refused
		}
		refused = append(refused, one.refused)
	}
}

// refuse has one Load or Save, in which at most one thing is refused, and loses the power.
func (g *rig) refuse(t *testing.T, from start, r *refusal) {
	t.Helper()
	path := restore(t, from.image)
	s := open(t, path)
	m := newModel(t, filepath.Dir(path))
	filestore.SetDisk(s, func(d filestore.Disk) filestore.Disk { return refusing{modelDisk{d, m}, r} })
	least, told := uint64(1), uint64(0)
	var err error
	if from.save {
		told, err = s.Save(t.Context(), record(2), 1)
	} else if got, loaded := s.Load(t.Context()); loaded != nil {
		err = loaded
	} else {
		told = got.Version
	}
	least = max(least, told)
	what := fmt.Sprintf("%s, save %v, full %v, %v at %s, number %d", from.what, from.save, r.full, r.errno, r.refused, r.n)
	switch left := from.image[".key.new"] != nil; {
	case err == nil && told == 0:
		t.Errorf("%s: version 0", what)
	case err == nil, from.save && left && strings.Contains(err.Error(), "has changed"): // another has been there
	case !errors.Is(err, r.errno), r.refused != "unlock" && !strings.Contains(err.Error(), path), strings.Contains(err.Error(), "CANARY"):
		t.Errorf("%s: %v", what, err)
	}
	now := map[string][]byte{}
	for name, i := range m.names {
		now[name] = i.now
	}
	for _, image := range append(m.images(), now) {
		got, err := g.recover(t, image)
		if err != nil || got.Version < least || got.Version > 2 || got.Current.Generation != got.Version {
			t.Errorf("%s: then version %d, %v, after %d", what, got.Version, err, least)
		}
	}
}
