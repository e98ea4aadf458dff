package filestore_test

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// opRead is what a disk does for one who changes nothing.
const opRead operation = "read"

// grid is a disk and the power that it takes. It is safe for concurrent use by several hazards.
type grid struct {
	mu    sync.Mutex // protects the fields below
	model *model
	left  int // operations of the disk until the power fails
	dark  bool
}

func (g *grid) isDark() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dark
}

// hazard is what befalls one process at one disk. One goroutine uses it.
type hazard struct {
	grid *grid
	rng  *rand.Rand
	dead bool
}

// do does what the disk is asked for, some time later, unless the process or the power is gone by then.
func (z *hazard) do(effect func() error) error {
	if z.rng.IntN(300) == 0 {
		const slowest = 5000
		wait(time.Duration(z.rng.IntN(slowest)) * time.Millisecond)
	}
	g := z.grid
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left--
	g.dark = g.dark || g.left <= 0
	if g.dark || z.dead {
		return errDead
	}
	g.model.before = z.roll
	return effect()
}

// roll fails an operation now and then, or kills the process before or after it.
func (z *hazard) roll(operation) error {
	switch z.rng.IntN(1000) {
	case 0, 1:
		return errBroken
	case 2:
		return errShort
	case 3, 4:
		return errAfter
	case 5, 6:
		z.dead = true
		return errDead
	case 7:
		z.dead = true
		return errAfter
	}
	return nil
}

// read fails now and then, and dies.
func (z *hazard) read() error {
	return z.do(func() error { return z.roll(opRead) })
}

// shaky is a directory as a process in hazard finds it. Its locks are released whatever happens, as the system does it.
type shaky struct {
	modelDisk

	z *hazard
}

func (d shaky) Lstat(name string) (fs.FileInfo, error) {
	if err := d.z.read(); err != nil {
		return nil, err
	}
	return d.modelDisk.Lstat(name)
}

func (d shaky) Open(name string, flag int) (f filestore.File, err error) {
	if flag&os.O_CREATE == 0 {
		if err := d.z.read(); err != nil {
			return nil, err
		}
	}
	err = d.z.do(func() error {
		f, err = d.modelDisk.Open(name, flag)
		return err
	})
	return shakyFile{f, d.z}, err
}

func (d shaky) Rename(from, to string) error {
	return d.z.do(func() error { return d.modelDisk.Rename(from, to) })
}

func (d shaky) Remove(name string) error {
	return d.z.do(func() error { return d.modelDisk.Remove(name) })
}

func (d shaky) Sync() error { return d.z.do(d.modelDisk.Sync) }

func (d shaky) Lock(name string) (io.Closer, error) {
	if err := d.z.read(); err != nil {
		return nil, err
	}
	return d.modelDisk.Lock(name)
}

type shakyFile struct {
	filestore.File

	z *hazard
}

func (f shakyFile) Read(text []byte) (int, error) {
	if err := f.z.read(); err != nil {
		return 0, err
	}
	return f.File.Read(text)
}

func (f shakyFile) Write(text []byte) (n int, err error) {
	err = f.z.do(func() error {
		n, err = f.File.Write(text)
		return err
	})
	return n, err
}

func (f shakyFile) Truncate(size int64) error {
	return f.z.do(func() error { return f.File.Truncate(size) })
}

func (f shakyFile) Sync() error { return f.z.do(f.File.Sync) }
