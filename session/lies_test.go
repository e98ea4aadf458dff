package session_test

import (
	"runtime"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// TestLyingHeaderAllocatesNothing announces 4 EiB, or all that is allowed, and sends two bytes. It is not parallel: it
// counts allocations.
func TestLyingHeaderAllocatesNothing(t *testing.T) {
	for name, d := range dialers {
		for _, size := range []uint64{1 << 62, rpc.DefaultReadLimit} {
			cfg := newWires(t, d, func(n int, w *wire) {
				if n > 1 {
					w.serve()
					return
				}
				if _, err := w.request(); err != nil {
					t.Error(err)
				}
				if _, err := w.Write(append(header(size), "{}"...)); err != nil {
					t.Error(err)
				}
			})
			before := allocated()
			s := dial(t, cfg)
			if err := s.Call(t.Context(), "public/hello", nil, nil); err == nil || rpc.SafeToRetry(err) {
				t.Errorf("%s: the call ended with %v", name, err)
			}
			if grown := allocated() - before; grown > 1<<20 {
				t.Errorf("%s: %d bytes were allocated for a header that announces %d", name, grown, size)
			}
		}
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
