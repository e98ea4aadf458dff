package benchmarks

import (
	"context"
	"fmt"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/session"
)

const methodOrder = "private/buy"

// order is the params of an order, which encodes itself as an engine's would.
type order struct{}

func (order) AppendJSON(dst []byte) ([]byte, error) {
	return append(dst, `{"instrument_name":"ETH-PERPETUAL","amount":40,"type":"limit","price":2541.35,"label":"market-maker-7"}`...), nil
}

// rawCaller is a session or a connection.
type rawCaller interface {
	CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error)
}

// placeOrder returns what makes one call over c, and reuses the memory of its answer.
func placeOrder(ctx context.Context, c rawCaller) func() error {
	var reply []byte
	return func() (err error) {
		if reply, err = c.CallRaw(ctx, methodOrder, order{}, reply[:0]); err == nil && len(reply) < 250 {
			err = fmt.Errorf("%w: the answer is %q", errNothing, reply)
		}
		return err
	}
}

// callLoad is callers and the calls that each makes in a chunk.
type callLoad struct{ callers, each int }

// loads are one caller and many, where more would tell nothing new.
var loads = []callLoad{{1, 128}, {64, 64}}

// orders is callers that place orders over c.
func orders(b *testing.B, c rawCaller, load callLoad) *fleet {
	b.Helper()
	return newFleet(b, load, func() func() error { return placeOrder(b.Context(), c) })
}

// BenchmarkCall asks what a call costs over a live session, for one caller and for many on the same connection. The floor
// of one is a raw TCP round trip of as many bytes; that of more is requests that are ready made and written together, 64
// at most, and their answers.
func BenchmarkCall(b *testing.B) {
	peer := wirepeer.Start(b)
	for _, transport := range transports {
		for _, load := range []callLoad{{1, 128}, {8, 64}, {64, 64}, {1024, 32}} {
			b.Run(fmt.Sprintf("transport=%s/callers=%d", transport.name, load.callers), func(b *testing.B) {
				cfg := session.Config{URL: peer.URL(), Credentials: credentials, Dialer: transport.dialer}
				size := sizeOnWire(b, cfg, func(s *session.Session) error { return placeOrder(b.Context(), s)() })
				f := orders(b, dial(b, cfg), load)
				floor := pingPong(b, peer, size, min(load.callers, 64), load.callers*load.each)
				alternate(b, "x-floor", floor, f.chunk)
				reportLatencies(b, "", f.latency...)
			})
		}
	}
}
