package filestore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// TestMain lets the test binary be the processes that TestKill9 and TestLinearizable kill.
func TestMain(m *testing.M) {
	if path := os.Getenv(servedPath); path != "" {
		serve(path)
	}
	if path := os.Getenv(childPath); path != "" {
		saveForEver(path)
	}
	leaktest.Main(m)
}

func record(generation uint64) rotate.Record {
	return rotate.Record{
		KeyID: 3, ClientID: "IY2D68DS",
		Current: rotate.Candidate{Secret: session.NewSecret(fmt.Appendf(nil, "CANARY-%d", generation)), Generation: generation},
	}
}

// safePath is a file that is not there yet, in a directory of one's own whatever the umask.
func safePath(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(dir, "key")
}

func create(t *testing.T, path string) *filestore.Store {
	t.Helper()
	s, err := filestore.Create(t.Context(), path, record(1))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, path string) *filestore.Store {
	t.Helper()
	s, err := filestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// generation loads the record and returns its generation, after a look at its secret.
func generation(t *testing.T, s *filestore.Store) uint64 {
	t.Helper()
	r, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !r.Current.Secret.Equal(record(r.Current.Generation).Current.Secret) {
		t.Fatalf("generation %d has another secret", r.Current.Generation)
	}
	return r.Current.Generation
}

func TestLoadAndSave(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	s := open(t, path)
	if _, err := s.Load(t.Context()); !errors.Is(err, rotate.ErrNotFound) {
		t.Errorf("an empty store: %v", err)
	}
	for i := range uint64(3) {
		version, err := s.Save(t.Context(), record(i+1), i)
		if err != nil || version != i+1 {
			t.Fatalf("version %d, %v", version, err)
		}
		if got := generation(t, open(t, path)); got != i+1 {
			t.Errorf("generation %d after %d", got, i+1)
		}
	}
	for _, version := range []uint64{0, 2, 4} {
		if _, err := s.Save(t.Context(), record(9), version); !errors.Is(err, rotate.ErrConflict) {
			t.Errorf("if version %d: %v", version, err)
		}
	}
	if _, err := filestore.Create(t.Context(), path, record(9)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a file: %v", err)
	}
	if got := generation(t, s); got != 3 {
		t.Errorf("generation %d", got)
	}
}

// TestCompareAndSwap has many goroutines, each with a Store of its own, count the generation up.
func TestCompareAndSwap(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	create(t, path)
	const workers, rounds = 4, 10
	var group sync.WaitGroup
	for range workers {
		s := open(t, path)
		group.Go(func() {
			for done := 0; done < rounds; {
				r, err := s.Load(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				_, err = s.Save(t.Context(), record(r.Current.Generation+1), r.Version)
				switch {
				case err == nil:
					done++
				case !errors.Is(err, rotate.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if got := generation(t, open(t, path)); got != workers*rounds+1 {
		t.Errorf("generation %d: an update was lost", got)
	}
}

// TestOpenRefuses: a directory that is not there, or no path at all, is told at once.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, path := range []string{filepath.Join(safePath(t), "none", "key"), ""} {
		if _, err := filestore.Open(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// TestDamage cuts the file at every byte, and flips every bit of it: a damaged file is an error that says what to do, never another
// secret.
func TestDamage(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	create(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, path).Load(t.Context())
		if !errors.Is(err, rotate.ErrCorrupt) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range whole {
		refused(fmt.Sprintf("cut at %d", n), whole[:n])
	}
	for bit := range 8 * len(whole) {
		flipped := append([]byte(nil), whole...)
		flipped[bit/8] ^= 1 << (bit % 8)
		refused(fmt.Sprintf("bit %d flipped", bit), flipped)
	}
	for i := range whole {
		refused(fmt.Sprintf("byte %d missing", i), append(append([]byte(nil), whole[:i]...), whole[i+1:]...))
		refused(fmt.Sprintf("byte %d zero", i), append(append(append([]byte(nil), whole[:i]...), 0), whole[i+1:]...))
	}
	refused("doubled", append(append([]byte(nil), whole...), whole...))
	refused("huge", make([]byte, 2<<20))
	if _, err := open(t, path).Save(t.Context(), record(2), 0); !errors.Is(err, rotate.ErrCorrupt) {
		t.Errorf("Save over a damaged file: %v", err)
	}
}

// TestCrash leaves behind what a process leaves that dies while it writes: each length of the new file. What is whole is taken
// into use, for it may be the only copy of a secret; what is torn is not.
func TestCrash(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	left := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	next := record(2)
	next.Version = 2
	text, err := filestore.Encode(next)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(text) + 1 {
		create(t, path)
		if err := os.WriteFile(left, text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		want := uint64(1)
		if n == len(text) {
			want = 2
		}
		if got := generation(t, open(t, path)); got != want {
			t.Errorf("%d bytes left: generation %d", n, got)
		}
		if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d bytes left: still there (%v)", n, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCrashOfCreate: a first file that is whole is taken into use, and one that is older than the file is not.
func TestCrashOfCreate(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	left := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	first := record(1)
	first.Version = 1
	text, err := filestore.Encode(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if got := generation(t, s); got != 1 {
		t.Errorf("generation %d", got)
	}
	if _, err := s.Save(t.Context(), record(2), 1); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := generation(t, s); got != 2 {
		t.Errorf("generation %d", got)
	}
}

// TestRollback: a Store does not go back to an older file.
func TestRollback(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	s := create(t, path)
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), record(2), 1); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context()); !errors.Is(err, filestore.ErrRollback) {
		t.Errorf("Load: %v", err)
	}
	if _, err := s.Save(t.Context(), record(3), 1); !errors.Is(err, filestore.ErrRollback) {
		t.Errorf("Save: %v", err)
	}
}

// TestWaitForTheLock: who does not get it leaves with its ctx.
func TestWaitForTheLock(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	s, other := create(t, path), open(t, path)
	model := newModel(t, filepath.Dir(path))
	model.before = func(op operation) error {
		if op != opRename {
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := other.Load(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "lock") {
			t.Errorf("while the lock is held: %v", err)
		}
		return nil
	}
	model.serve(s)
	if _, err := s.Save(t.Context(), record(2), 1); err != nil {
		t.Fatal(err)
	}
	if got := generation(t, other); got != 2 {
		t.Errorf("generation %d", got)
	}
}

// TestWatch: each newer record is seen, and a damaged file is told once.
func TestWatch(t *testing.T) {
	synctest.Test(t, testWatch)
}

func testWatch(t *testing.T) {
	t.Helper()
	path := safePath(t)
	s := create(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []string
	for r, err := range open(t, path).Watch(ctx) {
		switch {
		case err != nil:
			seen = append(seen, "error")
			if !errors.Is(err, rotate.ErrCorrupt) {
				t.Errorf("error: %v", err)
			}
			cancel()
		case r.Current.Generation == 1:
			seen = append(seen, "1")
			if _, err := s.Save(t.Context(), record(2), r.Version); err != nil {
				t.Fatal(err)
			}
		default:
			seen = append(seen, strconv.FormatUint(r.Current.Generation, 10))
			if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := strings.Join(seen, " "); got != "1 2 error" {
		t.Errorf("seen: %s", got)
	}
}

// FuzzFile: whatever is in the file, it is refused with a typed error or is exactly what would be written for its record. What
// is in it is tried as it stands, and as the payload of a file with the right checksum: else no fuzzer gets past that.
func FuzzFile(f *testing.F) {
	text, err := filestore.Encode(record(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.TrimSpace(text[bytes.IndexByte(text, '\n'):]))
	f.Add([]byte("holdfast-secret-v1 00000000 0\n\n"))
	f.Add([]byte("holdfast-secret-v1 6f8d6c5a 2\n{}\n"))
	f.Add([]byte(`{"version":1,"client_id":"a","current":{"secret":"QQ=="}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		wantRefusedOrSame(t, text)
		wantRefusedOrSame(t, sealed("holdfast-secret-v1", text))
	})
}

// sealed is a file with that payload, made as the format's description says.
func sealed(word string, payload []byte) []byte {
	sum := crc32.Checksum(append([]byte(word), payload...), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Appendf(nil, "%s %08x %d\n%s\n", word, sum, len(payload), payload)
}

func wantRefusedOrSame(t *testing.T, text []byte) {
	t.Helper()
	r, err := filestore.Decode(text)
	if err != nil {
		if !errors.Is(err, rotate.ErrCorrupt) {
			t.Fatalf("untyped: %v", err)
		}
		return
	}
	var want struct {
		ClientID string `json:"client_id"`
		Version  uint64 `json:"version"`
		Current  struct {
			Secret []byte `json:"secret"`
		} `json:"current"`
	}
	_, payload, _ := bytes.Cut(text, []byte("\n"))
	if err := json.Unmarshal(payload, &want); err != nil || !bytes.Equal(want.Current.Secret, r.Current.Secret.Reveal()) ||
		want.ClientID != r.ClientID {
		t.Fatalf("%q is another record than json reads (%v): %+v", text, err, want)
	}
	again, err := filestore.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := filestore.Decode(again)
	if err != nil || !twice.Current.Secret.Equal(r.Current.Secret) || twice.Version != r.Version || twice.ClientID != r.ClientID {
		t.Fatalf("not the same after another round: %v", err)
	}
}
