package transporttest

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// tooBig sends frames of one message and expects the client to say that it is too big.
func tooBig(frames ...frame) script {
	return func(p *peer) error {
		sent := p.send(frames...) // the client need not take what it has refused
		if err := p.receiveClose(1009); err != nil {
			return errors.Join(err, sent)
		}
		return nil
	}
}

func sendAndDrain(frames ...frame) script {
	return func(p *peer) error {
		if err := p.send(frames...); err != nil {
			return err
		}
		return p.drain()
	}
}

func (s suite) readLimit() {
	t, d := s.T, s.dialer
	const limit = 1000
	long := strings.Repeat("x", limit)
	half := func(op byte, more bool) frame { return frame{op: op, more: more, payload: []byte(long[:limit/2])} }

	fitting := map[string][]frame{
		"at the limit":              {text(long), text("next")},
		"fragments up to the limit": {half(opText, true), half(opContinuation, false), text("next")},
	}
	for name, frames := range fitting {
		t.Run(name, func(t *testing.T) {
			tr := connectLimited(t, d, limit, sendAndDrain(frames...))
			for _, want := range []string{long, "next"} {
				if got, err := tr.ReadMessage(); err != nil || string(got) != want {
					t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(want))
				}
			}
		})
	}

	t.Run("cut at the limit", func(t *testing.T) {
		tr := connectLimited(t, d, limit, func(p *peer) error {
			return p.write(append(append(half(opText, true).bytes(), half(opContinuation, true).bytes()...), 0x80))
		})
		if msg, err := tr.ReadMessage(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %d bytes, %v, want io.ErrUnexpectedEOF", len(msg), err)
		}
	})

	exceeding := map[string][]frame{
		"limit and one":                    {text(long + "x")},
		"twice the limit":                  {text(long + long)},
		"fragments, together above":        {half(opText, true), half(opContinuation, true), half(opContinuation, false)},
		"limit and one in a fragment more": {half(opText, true), half(opContinuation, true), {payload: []byte("x")}},
	}
	for name, frames := range exceeding {
		t.Run(name, func(t *testing.T) {
			tr := connectLimited(t, d, limit, tooBig(frames...))
			if msg, err := tr.ReadMessage(); !errors.Is(err, rpc.ErrMessageTooBig) {
				t.Errorf("got %d bytes, %v, want ErrMessageTooBig", len(msg), err)
			}
		})
	}
}

func (s suite) defaultReadLimit() {
	t, d := s.T, s.dialer
	long := strings.Repeat("x", rpc.DefaultReadLimit)
	tr := connect(t, d, tooBig(text(long), text(long+"x")))
	if msg, err := tr.ReadMessage(); err != nil || string(msg) != long {
		t.Fatalf("got %d bytes, %v, want %d", len(msg), err, len(long))
	}
	if msg, err := tr.ReadMessage(); !errors.Is(err, rpc.ErrMessageTooBig) {
		t.Errorf("got %d bytes, %v, want ErrMessageTooBig", len(msg), err)
	}
}

// emptyPromises has many peers announce the longest message that the limit allows, and send little of it: what is not there
// must take no memory. It is not parallel: it measures what the process allocates.
func (s suite) emptyPromises() {
	t, d := s.T, s.dialer
	const peers, bound = 16, 256 << 10 // of which a dial takes some
	first := append(text("").header(rpc.DefaultReadLimit), "{}"...)
	later := append(frame{op: opText, more: true}.bytes(), frame{}.header(rpc.DefaultReadLimit)...)
	for _, wire := range [][]byte{first, later} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range peers {
			tr := dial(t, d, rpc.DialConfig{URL: url, NetDial: newScripted(wire).dial})
			if msg, err := tr.ReadMessage(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %d bytes, %v, want io.ErrUnexpectedEOF", len(msg), err)
			}
			closeTransport(t, tr)
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / peers; each > bound {
			t.Errorf("%d bytes allocated per connection, want %d at most", each, bound)
		}
	}
}

// manyFragments splits a message into single bytes: the limit is on the whole, however small the parts.
func (s suite) manyFragments() {
	t, d := s.T, s.dialer
	const parts = 100_000
	frames := make([]frame, parts)
	for i := range frames {
		frames[i] = frame{op: opContinuation, more: true, payload: []byte{'x'}}
	}
	frames[0].op, frames[parts-1].more = opText, false

	t.Run("within the limit", func(t *testing.T) {
		tr := connectLimited(t, d, parts, sendAndDrain(frames...))
		if msg, err := tr.ReadMessage(); err != nil || len(msg) != parts {
			t.Errorf("got %d bytes, %v, want %d", len(msg), err, parts)
		}
	})
	t.Run("above the limit", func(t *testing.T) {
		tr := connectLimited(t, d, parts/2, sendAndDrain(frames[:parts/2+2]...))
		if msg, err := tr.ReadMessage(); !errors.Is(err, rpc.ErrMessageTooBig) {
			t.Errorf("got %d bytes, %v, want ErrMessageTooBig", len(msg), err)
		}
	})
}
