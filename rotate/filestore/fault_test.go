package filestore_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// errDead ends every operation of a process that has died.
var errDead = errors.New("the process is dead")

// fault fails the n-th operation, counted from 1; 0 is none.
type fault struct {
	n    int
	kind error // errBroken, errShort, errAfter or errDead
}

// inject has the fault happen, and returns a function that reports whether the process is dead.
func (m *model) inject(fired *bool, f fault) (dead func() bool) {
	var died bool
	count := 0
	m.before = func(operation) error {
		if died {
			return errDead
		}
		if count++; count != f.n {
			return nil
		}
		*fired = true
		died = errors.Is(f.kind, errDead)
		return f.kind
	}
	return func() bool { return died }
}

// trial is one Save of generation 2 over generation 1, with faults, and what follows from it.
type trial struct {
	rig   *rig
	t     *testing.T
	what  string
	model *model
	least uint64 // what was reported durable, or loaded
	first bool   // the fault of the Save happened
	then  bool   // and that of the Load
	left  bool   // a whole record of generation 2 was left beside the old one
	wrong []string
}

func (r *trial) errorf(format string, args ...any) {
	r.wrong = append(r.wrong, r.what+": "+fmt.Sprintf(format, args...))
}

// rig is where trials begin, and what is known of where they end.
type rig struct {
	before map[string][]byte
	known  map[string]outcome // of images
}

type outcome struct {
	record rotate.Record
	err    error
}

// newRig begins with what generation 1 has left, and the reserve if that is named.
func newRig(t *testing.T, names ...string) *rig {
	t.Helper()
	path := safePath(t)
	create(t, path)
	g := &rig{before: map[string][]byte{}, known: map[string]outcome{}}
	for _, name := range append(names, filepath.Base(path)) {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			t.Fatal(err)
		}
		g.before[name] = text
	}
	return g
}

// attempt saves under the first fault, looks under the second, and then loses the power. deaf is an operation that is left out.
func (g *rig) attempt(t *testing.T, first, second fault, deaf operation) *trial {
	t.Helper()
	path := restore(t, g.before)
	s := open(t, path)
	m := newModel(t, filepath.Dir(path))
	r := &trial{rig: g, t: t, what: fmt.Sprintf("%v, then %v", first, second), model: m, least: 1}
	dead := m.inject(&r.first, first)
	m.deaf, m.trace = deaf, nil
	m.serve(s)
	_, err := s.Save(t.Context(), record(2), 1)
	r.judge("Save", err, dead())
	if err == nil {
		r.least = 2
	}
	r.powerLoss("after Save")

	left, err := filestore.Decode(m.whole(".key.new"))
	r.left = err == nil && left.Version == 2

	// The process, or the one that comes after it, looks at what is left.
	s = open(t, path)
	m.serve(s)
	dead = m.inject(&r.then, second)
	r.look("Load", s, dead)
	r.powerLoss("after Load")

	// Without faults all goes on.
	s = open(t, path)
	m.serve(s)
	m.inject(new(bool), fault{})
	r.goOn(s)
	r.powerLoss("at the end")
	return r
}

// judge lets an injected error pass only.
func (r *trial) judge(what string, err error, dead bool) {
	switch {
	case err == nil && dead:
		r.errorf("%s: a dead process has reported success", what)
	case err != nil && !isInjected(err):
		r.errorf("%s: %v", what, err)
	}
}

func isInjected(err error) bool {
	return errors.Is(err, errBroken) || errors.Is(err, errShort) || errors.Is(err, errAfter) || errors.Is(err, errDead)
}

// look loads, and what was loaded must not be undone.
func (r *trial) look(what string, s *filestore.Store, dead func() bool) {
	got, err := s.Load(r.t.Context())
	r.judge(what, err, dead())
	if err == nil {
		r.least = r.check(what, got)
	}
}

// check wants the old record or the new one, and nothing older than before.
func (r *trial) check(what string, got rotate.Record) uint64 {
	generation := got.Current.Generation
	switch {
	case generation < r.least || generation > max(r.least, 2):
		r.errorf("%s: generation %d after %d", what, generation, r.least)
	case got.Version != generation || !got.Current.Secret.Equal(record(generation).Current.Secret):
		r.errorf("%s: version %d with another secret than its own", what, got.Version)
	}
	return max(generation, r.least)
}

// powerLoss opens each directory that may be left: it must have a record that is not older than what is known, and take the next.
func (r *trial) powerLoss(when string) {
	for i, image := range r.model.images() {
		what := fmt.Sprintf("image %d %s", i, when)
		got, err := r.rig.recover(r.t, image)
		if err != nil {
			r.errorf("%s: %v", what, err)
			continue
		}
		r.check(what, got)
	}
}

// recover loads what is in an image, and saves the next. The same image has the same outcome.
func (g *rig) recover(t *testing.T, image map[string][]byte) (rotate.Record, error) {
	t.Helper()
	var key strings.Builder
	for _, name := range slices.Sorted(maps.Keys(image)) {
		fmt.Fprintf(&key, "%s %d\n%s", name, len(image[name]), image[name])
	}
	known, ok := g.known[key.String()]
	if ok {
		return known.record, known.err
	}
	path := restore(t, image)
	s := open(t, path)
	newModel(t, filepath.Dir(path)).serve(s)
	known.record, known.err = s.Load(t.Context())
	if known.err == nil {
		version := known.record.Version
		_, known.err = s.Save(t.Context(), record(version+1), version)
	}
	g.known[key.String()] = known
	return known.record, known.err
}

// goOn saves once more.
func (r *trial) goOn(s *filestore.Store) {
	got, err := s.Load(r.t.Context())
	if err != nil {
		r.errorf("Load without faults: %v", err)
		return
	}
	r.least = r.check("Load without faults", got)
	if r.left && r.least != 2 {
		r.errorf("what was left is lost, without a loss of power")
	}
	if _, err := s.Save(r.t.Context(), record(got.Version+1), got.Version); err != nil {
		r.errorf("Save without faults: %v", err)
		return
	}
	r.least = got.Version + 1
}
