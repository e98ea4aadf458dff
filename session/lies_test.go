package session_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

const liesLimit = 1000 // the read limit that lies meet, in bytes

// lies are what a peer may send in the place of an answer, where it says how long a frame is. It goes on with frames that
// are as they should be, and longer than the limit in all, unless it hangs up: lean refuses a length, the libraries what
// comes of it.
var lies = []lie{
	{"more than there is", append(header(100), `{"jsonrpc"`...), true, io.ErrUnexpectedEOF},
	{"more than there is, and the next header in it", append(header(12), "{\"jsonrpc\"\x01\x02{}"...), false, rpc.ErrMalformed},
	{"less than there is", append(header(10), `{"jsonrpc":"2.0","id":1,"result":"ok"}`...), false, rpc.ErrMalformed},
	{"half of a header", header(1 << 20)[:5], true, io.ErrUnexpectedEOF},
	{"a byte over the limit", header(liesLimit + 1), false, rpc.ErrMessageTooBig},
	{"4 EiB", header(1 << 62), false, rpc.ErrMessageTooBig},
	{"a negative length", header(1 << 63), false, nil},
}

type lie struct {
	name   string
	bytes  []byte
	hangUp bool  // at once
	want   error // what ends the connection; nil for an error of the library
}

// TestLyingHeader has a peer lie while calls wait. They end with an unknown outcome and the name of what was wrong, and the
// session goes on over another connection.
func TestLyingHeader(t *testing.T) {
	forEachDialer(t, func(t *testing.T, d rpc.Dialer) {
		t.Helper()
		for _, lie := range lies {
			t.Run(lie.name, func(t *testing.T) {
				t.Parallel()
				observed := &loss{}
				cfg := newWires(t, d, func(n int, w *wire) {
					if n > 1 {
						w.serve()
						return
					}
					lie.play(t, w)
				})
				cfg.Observer, cfg.ReadLimit = observed, liesLimit
				s := dial(t, cfg)
				var waiting sync.WaitGroup
				for range liesCalls {
					waiting.Go(func() {
						err := s.Call(t.Context(), "public/hello", nil, nil)
						unanswered, ok := errors.AsType[*rpc.CallError](err)
						if !ok || unanswered.Outcome != rpc.Unknown || lie.want != nil && !errors.Is(err, lie.want) {
							t.Errorf("the call that waited ended with %v, want an unknown outcome and %v", err, lie.want)
						}
					})
				}
				waiting.Wait()
				wantRecovery(t, s)
				if why := observed.reason(); why == nil || lie.want != nil && !errors.Is(why, lie.want) {
					t.Errorf("the observer was told of %v, want %v", why, lie.want)
				}
			})
		}
	})
}

const liesCalls = 8 // that wait

// play waits for as many calls, and then lies instead of answering.
func (l lie) play(t *testing.T, w *wire) {
	t.Helper()
	for range liesCalls {
		if _, err := w.request(); err != nil {
			t.Error(err)
		}
	}
	frames := slices.Clone(l.bytes)
	if !l.hangUp {
		n := text(`{"jsonrpc":"2.0","method":"subscription","params":{"channel":"c","data":"` + strings.Repeat("x", 100) + `"}}`)
		frames = append(frames, bytes.Repeat(n, 2*liesLimit/len(n))...)
	}
	if _, err := w.Write(frames); err != nil {
		t.Error(err)
	}
	if !l.hangUp {
		_, _ = io.Copy(io.Discard, w.in) // until the client hangs up, in whatever way
	}
}

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
