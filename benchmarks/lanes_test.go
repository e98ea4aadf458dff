package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const methodCancel = "private/cancel"

// rawJSON is params that are ready made.
type rawJSON string

func (r rawJSON) AppendJSON(dst []byte) ([]byte, error) { return append(dst, r...), nil }

// BenchmarkLanes asks how long a cancel takes while many callers subscribe to 500 channels each, again and again, and while
// a request of a megabyte leaves. x-alone is the ratio to a cancel that is alone. With lanes=off the cancel waits in the
// same lane as the rest. A session sends no megabyte: that is measured on a bare connection, and what has begun to leave no lane
// overtakes.
func BenchmarkLanes(b *testing.B) {
	peer := wirepeer.Start(b)
	for _, lanes := range []string{"on", "off"} {
		b.Run("load=subscribe/lanes="+lanes, func(b *testing.B) {
			cfg := session.Config{URL: peer.URL(), Credentials: credentials, Dialer: fastest}
			if lanes == "off" {
				cfg.Lanes = map[string]rpc.Lane{methodCancel: rpc.LaneSubscribe}
			}
			s := dial(b, cfg)
			cancelUnder(b, s, &subscribers{caller: s})
		})
	}
	b.Run("load=megabyte/lanes=on", func(b *testing.B) {
		conn := connect(b, peer.URL(), rpc.Config{Lane: func(method string) rpc.Lane {
			if method == methodCancel {
				return rpc.LaneCancel
			}
			return rpc.LaneRead
		}})
		cancelUnder(b, conn, &megabytes{caller: conn, begin: make(chan struct{}), leaving: make(chan struct{})})
	})
}

func connect(b *testing.B, url string, cfg rpc.Config) *rpc.Conn {
	b.Helper()
	transport, err := fastest.Dial(b.Context(), rpc.DialConfig{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	conn := rpc.NewConn(transport, cfg)
	b.Cleanup(func() {
		if err := conn.Close(); err != nil {
			b.Error(err)
		}
	})
	return conn
}

// load keeps a connection busy from start to stop.
type load interface {
	start(ctx context.Context)
	// next returns when the connection is busy.
	next(ctx context.Context) error
	stop() error
}

// subscribers are callers that subscribe to 500 channels each, again and again.
type subscribers struct {
	caller   rawCaller
	stopping atomic.Bool
	running  sync.WaitGroup
	answered chan struct{}
	errs     chan error
}

const subscriberCount = 1024

var subscribe500 = rawJSON(`{"channels":["` + strings.Join(channelNames(500), `","`) + `"]}`)

func (l *subscribers) start(ctx context.Context) {
	l.stopping.Store(false)
	l.answered, l.errs = make(chan struct{}, 1), make(chan error, subscriberCount)
	for range subscriberCount {
		l.running.Go(func() { l.errs <- l.run(ctx) })
	}
}

func (l *subscribers) run(ctx context.Context) (err error) {
	var reply []byte
	for err == nil && !l.stopping.Load() {
		reply, err = l.caller.CallRaw(ctx, "public/subscribe", subscribe500, reply[:0])
		select {
		case l.answered <- struct{}{}:
		default: // nobody has looked at the one before
		}
	}
	return err
}

// next waits for an answer: so the load is under way.
func (l *subscribers) next(ctx context.Context) error {
	select {
	case <-l.answered:
		return nil
	case err := <-l.errs:
		l.errs <- err
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *subscribers) stop() (err error) {
	l.stopping.Store(true)
	l.running.Wait()
	for range subscriberCount {
		err = errors.Join(err, <-l.errs)
	}
	return err
}

// megabytes sends a request of a megabyte each time it is told to.
type megabytes struct {
	caller  rawCaller
	running sync.WaitGroup
	begin   chan struct{}
	leaving chan struct{} // a request has been encoded
	err     error
}

var megabyte = `{"label":"` + strings.Repeat("x", 1<<20) + `"}`

// AppendJSON encodes the params, and tells that this is done: what follows is the write.
func (l *megabytes) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, megabyte...)
	l.leaving <- struct{}{}
	return dst, nil
}

func (l *megabytes) start(ctx context.Context) {
	l.begin = make(chan struct{})
	l.running.Go(func() {
		var reply []byte
		for range l.begin {
			var err error
			reply, err = l.caller.CallRaw(ctx, "private/buy", l, reply[:0])
			l.err = errors.Join(l.err, err)
		}
	})
}

func (l *megabytes) next(ctx context.Context) error {
	for _, turn := range []chan struct{}{l.begin, nil} {
		select {
		case turn <- struct{}{}:
		case <-l.leaving:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (l *megabytes) stop() error {
	close(l.begin)
	l.running.Wait()
	return l.err
}

// idle is no load.
type idle struct{}

func (idle) start(context.Context)      {}
func (idle) next(context.Context) error { return nil }
func (idle) stop() error                { return nil }

// cancelUnder measures cancels alone and under a load, in turn.
func cancelUnder(b *testing.B, caller rawCaller, l load) {
	b.Helper()
	alone, loaded := newLatencies(), newLatencies()
	alternatePairs(b, "x-alone", func(int) (p pair, err error) {
		var aloneErr, loadedErr error
		p.floor, aloneErr = cancels(b.Context(), caller, idle{}, alone)
		p.ours, loadedErr = cancels(b.Context(), caller, l, loaded)
		return p, errors.Join(aloneErr, loadedErr)
	})
	reportLatencies(b, "alone-", alone)
	reportLatencies(b, "", loaded)
}

// cancels makes cancels one after the other under a load, and times each.
func cancels(ctx context.Context, caller rawCaller, l load, latency latencies) (s sample, err error) {
	const n = 10
	l.start(ctx)
	for ; s.ops < n && err == nil; s.ops++ {
		var took time.Duration
		if took, err = cancel(ctx, caller, l); err == nil {
			err = latency.RecordValue(took.Nanoseconds())
		}
		s.took += took
	}
	return s, errors.Join(err, l.stop())
}

func cancel(ctx context.Context, caller rawCaller, l load) (time.Duration, error) {
	if err := l.next(ctx); err != nil {
		return 0, err
	}
	start := time.Now()
	reply, err := caller.CallRaw(ctx, methodCancel, rawJSON(`{"order_id":"ETH-349249"}`), nil)
	took := time.Since(start)
	if err == nil && len(reply) < 250 {
		err = fmt.Errorf("%w: the answer is %q", errNothing, reply)
	}
	return took, err
}
