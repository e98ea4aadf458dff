package filestore_test

import (
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/rotate/storetest"
)

// TestStore holds the file against the contract; each handle is another process's.
func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(tb testing.TB) storetest.Opener {
		tb.Helper()
		path := safePath(tb)
		return func() rotate.Store {
			s, err := filestore.Open(path)
			if err != nil {
				tb.Errorf("Open: %v", err)
			}
			s.WatchInterval = 20 * time.Millisecond
			return s
		}
	})
}
