package filestore_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// TestG4Faults fails each operation of a Save in each way, by a process that lives on or dies, and then one of those of the Load that
// follows, and loses the power in between and after. The store has the old record or the new one, never less than it has reported,
// and goes on.
func TestG4Faults(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]*rig{"with a reserve": newRig(t, ".key.reserve"), "without": newRig(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tryAll(t, g)
		})
	}
}

func tryAll(t *testing.T, g *rig) {
	t.Helper()
	reached := map[operation]int{}
	trials := 0
	try := func(first, second fault) *trial {
		r := g.attempt(t, first, second, "")
		for _, wrong := range r.wrong {
			t.Error(wrong)
		}
		for _, op := range r.model.trace {
			reached[op]++
		}
		trials++
		return r
	}
	for _, kind := range []error{errBroken, errShort, errAfter, errDead} {
		for n := 1; try(fault{n, kind}, fault{}).first; n++ {
			for _, then := range []error{errBroken, errDead} {
				for m := 1; try(fault{n, kind}, fault{m, then}).then; m++ {
				}
			}
		}
	}
	t.Logf("%d trials, %d directories; operations: %v", trials, len(g.known), reached)
	for _, op := range []operation{opCreate, opWrite, opTruncate, opSync, opRename, opRemove, opSyncDir} {
		if reached[op] == 0 {
			t.Errorf("%s was never reached", op)
		}
	}
	if trials < 100 {
		t.Errorf("%d trials", trials)
	}
}

// TestG4Mutants: a Save without one of its steps is found out, so the trials above see what they are for.
func TestG4Mutants(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		dropped operation
		text    string
	}{
		{opSync, "damaged"},
		{opSyncDir, "generation 1 after 2"},
	} {
		t.Run(string(test.dropped), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, ".key.reserve").attempt(t, fault{}, fault{}, test.dropped)
			if !slices.ContainsFunc(r.wrong, func(s string) bool { return strings.Contains(s, test.text) }) {
				t.Errorf("not found out: %q", r.wrong)
			}
		})
	}
}

// TestSteps: what another has saved is made durable before anything is built on it, and then the new file before its name.
func TestSteps(t *testing.T) {
	t.Parallel()
	r := newRig(t, ".key.reserve").attempt(t, fault{}, fault{}, "")
	want := []operation{opSyncDir, opCreate, opWrite, opSync, opRename, opSyncDir}
	if save := r.model.trace[:len(want)]; !slices.Equal(save, want) || len(r.wrong) > 0 {
		t.Errorf("%q, %q", save, r.wrong)
	}
}

// crowded is a disk on which there is no room for another file.
func crowded(op operation) error {
	if op == opCreate {
		return fmt.Errorf("full: %w", errShort)
	}
	return nil
}

// TestDiskFull: the disk fills up between two Saves. The second one, which is that of a new secret, has its room; the one after
// it is refused, and changes nothing.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	s := create(t, path)
	m := newModel(t, filepath.Dir(path))
	m.serve(s)
	m.before = crowded
	if _, err := s.Save(t.Context(), record(2), 1); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(m.trace[1:], opCreate) {
		t.Errorf("%q", m.trace)
	}
	for _, image := range m.images() {
		if got := generation(t, open(t, restore(t, image))); got != 2 {
			t.Errorf("generation %d after the loss of power", got)
		}
	}
	if _, err := s.Save(t.Context(), record(2), 2); !isInjected(err) || !strings.Contains(err.Error(), "room") {
		t.Errorf("without a reserve: %v", err)
	}
	if got := generation(t, s); got != 2 {
		t.Errorf("generation %d", got)
	}
	for _, failing := range []operation{opWrite, opSync} { // what was made of a reserve is none
		m.before = func(op operation) error {
			if op == failing {
				return errBroken
			}
			return nil
		}
		if _, err := s.Save(t.Context(), record(2), 2); !isInjected(err) || m.whole(".key.reserve") != nil {
			t.Errorf("%s of a reserve: %v", failing, err)
		}
	}
	m.before = nil
	if _, err := s.Save(t.Context(), record(3), 2); err != nil || len(m.whole(".key.reserve")) == 0 {
		t.Errorf("with room: %v", err)
	}
}

// TestDiskFullBeforeArm: the disk fills up before a reset. What says that the reset may have left is refused, and leaves the reserve for the
// secret that comes after it: without that Save nothing is reset. A secret is stored even where there is no reserve, if there is room for
// itself.
func TestDiskFullBeforeArm(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	s := create(t, path)
	m := newModel(t, filepath.Dir(path))
	m.serve(s)
	armed := record(1)
	armed.Intent = &rotate.Intent{ID: "id", Started: time.Unix(1, 0)}
	if _, err := s.Save(t.Context(), armed, 1); err != nil {
		t.Fatal(err)
	}
	armed.Intent = &rotate.Intent{ID: "id", Started: time.Unix(1, 0), Sent: time.Unix(2, 0), Rescue: session.NewSecret([]byte("CANARY-token"))}
	m.before = crowded
	if _, err := s.Save(t.Context(), armed, 2); !isInjected(err) || len(m.whole(".key.reserve")) != filestore.ReserveSize {
		t.Errorf("armed on a full disk: %v, and %d bytes in reserve", err, len(m.whole(".key.reserve")))
	}
	m.before = nil
	if _, err := s.Save(t.Context(), armed, 2); err != nil {
		t.Fatal(err)
	}
	m.before = crowded
	received := armed
	received.Candidates = []rotate.Candidate{record(2).Current}
	if _, err := s.Save(t.Context(), received, 3); err != nil || m.whole(".key.reserve") != nil {
		t.Errorf("received on a full disk: %v", err)
	}
	refused := 0
	m.before = func(op operation) error { // the room of the old file is free now: it is too small for a reserve
		if op == opCreate && refused == 0 {
			refused++
			return errBroken
		}
		return nil
	}
	received.Candidates = append(received.Candidates, record(3).Current)
	if _, err := s.Save(t.Context(), received, 4); err != nil || refused != 1 {
		t.Errorf("received without a reserve: %v", err)
	}
	for _, image := range m.images() {
		kept, err := open(t, restore(t, image)).Load(t.Context())
		if err != nil || len(kept.Candidates) != 2 || !kept.Candidates[1].Secret.Equal(record(3).Current.Secret) {
			t.Errorf("after the loss of power: %d candidates, %v", len(kept.Candidates), err)
		}
	}
	m.before = crowded // and the crowded disk takes no secret for which there is no room
	received.Candidates = append(received.Candidates, record(4).Current)
	if _, err := s.Save(t.Context(), received, 5); !isInjected(err) || m.whole(".key.new") != nil {
		t.Errorf("received without any room: %v", err)
	}
}

// TestReserveHoldsPrivateKeys: one more Save has its room when the secrets are private keys of RSA with 4096 bits, and a person has
// published one more.
func TestReserveHoldsPrivateKeys(t *testing.T) {
	t.Parallel()
	const longest = 3300 // bytes of such a key in PEM, and of its white space
	secret := func(fill string) session.Secret { return session.NewSecret([]byte(strings.Repeat(fill, longest))) }
	full := record(2)
	full.Current.Secret = secret("a")
	full.Candidates = []rotate.Candidate{{Secret: secret("b"), Generation: 1}}
	full.Replacement = &rotate.Replacement{ID: "id", Name: "hf_id", KeyID: 4, ClientID: "next", Secret: secret("c")}
	text, err := filestore.Encode(full)
	if err != nil || len(text) > filestore.ReserveSize {
		t.Fatalf("%d bytes, the reserve has %d, %v", len(text), filestore.ReserveSize, err)
	}
	path := safePath(t)
	s := create(t, path)
	if _, err := s.Save(t.Context(), full, 1); err != nil {
		t.Fatal(err)
	}
	kept, err := open(t, path).Load(t.Context())
	if err != nil || !kept.Current.Secret.Equal(full.Current.Secret) || !kept.Replacement.Secret.Equal(full.Replacement.Secret) {
		t.Errorf("what was kept is another record: %v", err)
	}
}
