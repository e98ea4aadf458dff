package filestore_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// TestWhatACrashLeftIsFlushed: the process died after it had written the new file and before it had flushed that. The file is
// whole as long as the machine runs; to take the old one's place it must outlive a loss of power too.
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
	left := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(left, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var reached []string
	filestore.SetFault(s, func(point string) error {
		reached = append(reached, point)
		return nil
	})
	if got := generation(t, s); got != 2 {
		t.Errorf("generation %d", got)
	}
	if want := []string{"sync", "rename", "syncdir"}; !slices.Equal(reached, want) {
		t.Errorf("reached %q, want %q", reached, want)
	}
}
