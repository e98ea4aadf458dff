package filestore_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// TestWhatACrashLeftIsFlushed: the process died after it had written the new file and before it had flushed that, or after its
// flush had failed. The file is whole as long as the machine runs; to take the old one's place it is written once more.
func TestWhatACrashLeftIsFlushed(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	s := create(t, path)
	next := record(2)
	next.Version = 2
	text, err := filestore.Encode(next)
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(t, filepath.Dir(path))
	left := "." + filepath.Base(path) + ".new"
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), left), text, 0o600); err != nil {
		t.Fatal(err)
	}
	m.names[left] = &inode{now: text, gone: true}
	m.moved()
	m.serve(s)
	if got := generation(t, s); got != 2 {
		t.Errorf("generation %d", got)
	}
	// The last one is Load's own: what it returns is durable, whoever has put it there.
	want := []operation{opCreate, opWrite, opSync, opRename, opRemove, opSyncDir, opSyncDir}
	if !slices.Equal(m.trace, want) {
		t.Errorf("%q, not %q", m.trace, want)
	}
	for _, image := range m.images() {
		if got := generation(t, open(t, restore(t, image))); got != 2 {
			t.Errorf("generation %d after a loss of power", got)
		}
	}
}
