package benchmarks

import (
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/session"
)

// failed reports whether a benchmark fails.
func failed(bench func(b *testing.B)) (failed bool) {
	testing.Benchmark(func(b *testing.B) {
		b.Helper()
		b.Cleanup(func() { failed = b.Failed() })
		bench(b)
	})
	return failed
}

func TestBenchmarkThatMeasuresNothingFails(t *testing.T) {
	for _, test := range []struct {
		name        string
		floor, ours chunk
	}{
		{"no operation of ours", fine, nothing},
		{"no operation of the floor", nothing, fine},
		{"ours fails", fine, broken},
		{"the floor fails", broken, fine},
	} {
		if !failed(func(b *testing.B) { b.Helper(); alternate(b, "x-floor", test.floor, test.ours) }) {
			t.Errorf("%s: the benchmark did not fail", test.name)
		}
	}
}

func fine() (ops int, err error)    { return 1000, nil }
func nothing() (ops int, err error) { return 0, nil }
func broken() (ops int, err error)  { return 1, errNothing }

func TestBenchmarkWithoutItsPeerFails(t *testing.T) {
	var ended string // the URL of a peer that has ended
	t.Run("a peer that ends", func(t *testing.T) { ended = wirepeer.Start(t).URL() })
	for name, bench := range map[string]func(b *testing.B){
		"no latencies":            func(b *testing.B) { b.Helper(); reportLatencies(b, "", newLatencies()) },
		"peer not reached":        func(b *testing.B) { b.Helper(); dial(b, session.Config{URL: ended, Dialer: fastest}) },
		"peer lost":               peerLost,
		"answers of no use":       answersTooSmall,
		"missing inline":          func(b *testing.B) { b.Helper(); missingNotifications(b, (*notifications).inline) },
		"metrics of no call":      func(b *testing.B) { b.Helper(); metrics(b).check(b, 1) },
		"no call is traced":       func(b *testing.B) { b.Helper(); traced(b).check(b, 0) },
		"notifications of no use": uselessNotifications,
		"missing behind the ring": func(b *testing.B) { b.Helper(); missingNotifications(b, (*notifications).ring) },
	} {
		if !failed(bench) {
			t.Errorf("%s: the benchmark did not fail", name)
		}
	}
}

func peerLost(b *testing.B) {
	b.Helper()
	conn, err := wirepeer.Start(b).PingPong(b.Context(), 8, 8)
	if err != nil {
		return // does not fail: so the test does
	}
	conn.Close()
	alternate(b, "x-floor", fine, func() (int, error) { return conn.Write(make([]byte, 8)) })
}

func answersTooSmall(b *testing.B) {
	b.Helper()
	s := dial(b, session.Config{URL: wirepeer.Start(b).URL() + "?result=200", Credentials: credentials, Dialer: fastest})
	alternate(b, "x-floor", fine, orders(b, s, callLoad{2, 2}).chunk)
}

func missingNotifications(b *testing.B, subscribe func(*notifications, *testing.B, []string)) {
	b.Helper()
	n := newNotifications(b, dial(b, session.Config{URL: wirepeer.Start(b).URL(), Dialer: fastest}), 1)
	subscribe(n, b, channelNames(1))
	n.ask.count = burst - 1
	n.patience = time.Millisecond
	alternate(b, "x-floor", fine, n.chunk)
}

func uselessNotifications(b *testing.B) {
	b.Helper()
	n := newNotifications(b, nil, 1)
	n.got.Store(burst - 1)
	n.count(session.Notification{Data: []byte("{}")})
	select {
	case err := <-n.gaps:
		b.Fatal(err)
	default:
	}
}
