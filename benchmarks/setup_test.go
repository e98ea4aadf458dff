package benchmarks

import (
	"context"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/session/transport/coderws"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

func TestMain(m *testing.M) {
	wirepeer.Main()
	wirepeer.LeaveProcessor()
	leaktest.Main(m)
}

var transports = []struct {
	name   string
	dialer rpc.Dialer
}{
	{"nhooyr", nhooyrws.Dialer{}},
	{"coder", coderws.Dialer{}},
	{"lean", leanws.Dialer{}},
}

// fastest is the dialer where the transport is not the question.
var fastest = transports[len(transports)-1].dialer

func newExchange(b *testing.B) (*deribittest.Server, session.Credentials) {
	b.Helper()
	exchange, err := deribittest.New(deribittest.Config{Tick: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := exchange.Close(); err != nil {
			b.Error(err)
		}
	})
	key := exchange.AddKey(deribittest.KeyConfig{Name: "bench"})
	return exchange, session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret)), Generation: 1}
}

// dial opens a session that ends with the benchmark.
func dial(b *testing.B, cfg session.Config) *session.Session {
	b.Helper()
	s, err := session.Dial(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return s
}
