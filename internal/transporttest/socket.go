package transporttest

import (
	"os"
	"path/filepath"
	"testing"
)

// SocketPath is where a test may listen on a Unix socket until it ends. The directory of tb.TempDir has the test's name in it, and a
// path that has room for a socket is 104 bytes long at most.
func SocketPath(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // shorter
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return filepath.Join(dir, "s")
}
