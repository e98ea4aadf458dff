package filestore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// full is a record in which everything is set.
func full(generation uint64) rotate.Record {
	at := time.Date(2025, 6, 7, 8, 9, 10, 123456789, time.UTC)
	r := record(generation)
	r.Version = generation
	r.Current.Rotation, r.Current.Received = "rotation", at
	r.Candidates = []rotate.Candidate{
		{Secret: session.NewSecret([]byte("CANARY-first")), Generation: generation + 1, Rotation: "one", Received: at},
		{Secret: session.NewSecret([]byte("CANARY-second")), Generation: generation + 2, Rotation: "two", Received: at},
	}
	r.Intent = &rotate.Intent{ID: "rotation", Epoch: 3, Started: at, OldFingerprint: "0123456789abcdef"}
	r.Lease = &rotate.Lease{Owner: "somebody", Epoch: 3, Expires: at.Add(time.Minute)}
	return r
}

func encoded(t *testing.T, r rotate.Record) []byte {
	t.Helper()
	text, err := filestore.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// damages are what may become of a file that was to hold text, where older was before: cut at each byte, zero from there on,
// zero up to there, older from there on, each bit flipped. Each is another text than both.
func damages(text, older []byte) [][]byte {
	var all [][]byte
	for n := range text {
		zeros := make([]byte, len(text))
		all = append(all,
			text[:n],
			slices.Concat(text[:n], zeros[n:]),
			slices.Concat(zeros[:n], text[n:]),
			slices.Concat(text[:n], older[min(n, len(older)):]),
		)
		for bit := range 8 {
			flipped := slices.Clone(text)
			flipped[n] ^= 1 << bit
			all = append(all, flipped)
		}
	}
	return slices.DeleteFunc(all, func(damaged []byte) bool { return slices.Equal(damaged, text) || slices.Equal(damaged, older) })
}

// TestTorn damages the file, and the new file that a crash left beside it, at each byte in each way: the file is refused, and what was
// left changes nothing. No other secret comes of it.
func TestTorn(t *testing.T) {
	t.Parallel()
	first, second := encoded(t, full(1)), encoded(t, full(2))
	path := safePath(t)
	left := filepath.Join(filepath.Dir(path), ".key.new")
	put := func(name string, text []byte) {
		removed := os.Remove(name) // some file systems flush what is written over
		if errors.Is(removed, fs.ErrNotExist) {
			removed = nil
		}
		if err := errors.Join(removed, os.WriteFile(name, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	load := func() (rotate.Record, error) {
		s := open(t, path)
		newModel(t, filepath.Dir(path)).serve(s) // whose flushes take no time
		return s.Load(t.Context())
	}
	all := damages(second, first)
	for i, damaged := range all {
		put(path, damaged)
		if r, err := load(); !errors.Is(err, rotate.ErrCorrupt) || r.ClientID != "" || !r.Current.Secret.IsZero() {
			t.Errorf("damage %d of the file: version %d, %v", i, r.Version, err)
		}
		put(path, first)
		put(left, damaged)
		r, err := load()
		if err != nil {
			t.Errorf("damage %d of the new file: %v", i, err)
			continue
		}
		if now := encoded(t, r); !slices.Equal(now, first) {
			t.Errorf("damage %d of the new file: another record", i)
		}
	}
	put(left, second)
	if r, err := load(); err != nil || !slices.Equal(encoded(t, r), second) {
		t.Errorf("the new file undamaged: version %d, %v", r.Version, err)
	}
	t.Logf("%d bytes, damaged in %d ways", len(second), len(all))
	if len(all) < 8*len(second) {
		t.Error("too few")
	}
}
