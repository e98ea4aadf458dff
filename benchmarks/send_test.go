package benchmarks

import (
	"context"
	"fmt"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/session"
)

// BenchmarkSend asks what a call costs to one goroutine that has 64 of them under way. The floor is 64 requests that are
// ready made and written together, and their answers.
func BenchmarkSend(b *testing.B) {
	const inFlight, n = 64, 64 * 64
	peer := wirepeer.Start(b)
	for _, transport := range transports {
		b.Run("transport="+transport.name, func(b *testing.B) {
			cfg := session.Config{URL: peer.URL(), Credentials: credentials, Dialer: transport.dialer}
			size := sizeOnWire(b, cfg, func(s *session.Session) error { return placeOrder(b.Context(), s)() })
			floor := pingPong(b, peer, size, inFlight, n)
			p := &pipeline{ctx: b.Context(), session: dial(b, cfg), pending: make([]*session.Pending, inFlight)}
			alternate(b, "x-floor", floor, func() (ops int, err error) { return p.run(n) })
		})
	}
}

// pipeline keeps its pending calls in a ring.
type pipeline struct {
	ctx     context.Context
	session *session.Session
	pending []*session.Pending
	reply   []byte
}

// run sends n calls: each as soon as the oldest one is answered.
func (p *pipeline) run(n int) (answered int, err error) {
	for i := range n + len(p.pending) {
		slot := &p.pending[i%len(p.pending)]
		if *slot != nil {
			if err := p.wait(*slot); err != nil {
				return answered, err
			}
			*slot = nil
			answered++
		}
		if i < n {
			if *slot, err = p.session.Send(p.ctx, methodOrder, order{}); err != nil {
				return answered, err
			}
		}
	}
	return answered, nil
}

func (p *pipeline) wait(pending *session.Pending) (err error) {
	if p.reply, err = pending.WaitRaw(p.ctx, p.reply[:0]); err == nil && len(p.reply) < 250 {
		err = fmt.Errorf("%w: the answer is %q", errNothing, p.reply)
	}
	return err
}
