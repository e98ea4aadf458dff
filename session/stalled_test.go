package session_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const (
	flood         = 64       // callers at once
	floodParams   = 30 << 10 // bytes of each one's params
	floodPatience = 300 * time.Millisecond
	mayBeHeld     = 1 // of them, beyond their deadlines, by a network that cannot be tried; see rpc.Flusher

	closeTimeout = time.Second // of rpc.Transport.Close
)

// TestPeerThatStopsReading has 64 callers write to a peer whose window is shut. Callers leave at their deadlines, the
// connection is given up by name, what was not sent is not at the peer, and the session goes on over another connection.
func TestPeerThatStopsReading(t *testing.T) {
	forEachDialer(t, func(t *testing.T, d rpc.Dialer) {
		t.Helper()
		for name, listen := range ways {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				stopsReading(t, d, listen)
			})
		}
	})
}

func stopsReading(t *testing.T, d rpc.Dialer, listen listener) {
	t.Helper()
	wake, received := make(chan struct{}), make(chan []string, 1)
	cfg := listen(t, d, func(n int, w *wire) {
		if n > 1 {
			w.serve()
			return
		}
		w.takeLittle(t)
		<-wake
		received <- w.rest()
	})
	awaken := sync.OnceFunc(func() { close(wake) })
	t.Cleanup(awaken)
	observed, logged := &loss{}, &strings.Builder{}
	cfg.NetDial, cfg.WriteTimeout = dialNarrow, 2*time.Second
	cfg.Observer, cfg.Logger = observed, slog.New(slog.NewTextHandler(logged, nil))
	s := dial(t, cfg)

	results := pour(t, s)
	var ended []flooded
	for range flood {
		r := <-results
		if r.late > time.Second {
			t.Errorf("%s returned %v after its deadline", r.method, r.late)
		}
		wantUnanswered(t, r)
		ended = append(ended, r)
	}
	if s.Stats().Epoch != 1 {
		t.Error("the connection was given up before the callers had returned")
	}
	wantRecovery(t, s)
	awaken()
	wantHonest(t, ended, <-received)
	if why := observed.reason(); !errors.Is(why, rpc.ErrWriteStalled) {
		t.Errorf("the observer was told of %v", why)
	}
	if !strings.Contains(logged.String(), rpc.ErrWriteStalled.Error()) {
		t.Errorf("the log does not say why: %s", logged)
	}
}

// TestCallersLeaveAtTheirDeadlines is the same in a bubble, where time is exact, over a network that buffers nothing.
func TestCallersLeaveAtTheirDeadlines(t *testing.T) {
	forEachDialer(t, func(t *testing.T, d rpc.Dialer) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			awake := make(chan struct{})
			cfg := pipes(t, joined{d}, func(n int, w *wire) {
				if n > 1 {
					w.serve()
					return
				}
				<-awake
			})
			defer close(awake)
			cfg.WriteTimeout = 5 * time.Second
			s := dial(t, cfg)
			results := pour(t, s)
			held := 0
			for range flood {
				r := <-results
				wantUnanswered(t, r)
				if r.late != 0 {
					held++
				}
				if r.late > cfg.WriteTimeout-floodPatience+closeTimeout {
					t.Errorf("%s returned %v after its deadline", r.method, r.late)
				}
			}
			if held > mayBeHeld {
				t.Errorf("%d calls returned after their deadlines", held)
			}
			wantRecovery(t, s)
		})
	})
}

// listener is newWires, or its like.
type listener func(t *testing.T, d rpc.Dialer, play func(n int, w *wire)) session.Config

// ways are how to reach a wire.
var ways = map[string]listener{"ws": newWires, "wss": newSecureWires}

// newSecureWires is newWires over TLS.
func newSecureWires(t *testing.T, d rpc.Dialer, play func(n int, w *wire)) session.Config {
	t.Helper()
	identity := httptest.NewTLSServer(nil) // its certificate is all that is wanted
	identity.Close()
	authority := x509.NewCertPool()
	authority.AddCert(identity.Certificate())
	l, err := tls.Listen("tcp", "127.0.0.1:0", identity.TLS)
	if err != nil {
		t.Fatal(err)
	}
	playing(t, l, upgraded(play))
	return session.Config{
		URL: "wss://" + l.Addr().String(), TLS: &tls.Config{RootCAs: authority, MinVersion: tls.VersionTLS12},
		Dialer: d, Heartbeat: -1, NewBackoff: quickly,
	}
}

// joined is a Dialer whose transports have a second Close wait for the first on a channel. The Dialers have it wait on a
// mutex, which is as good, but stops the time of a bubble.
type joined struct{ rpc.Dialer }

// Dial implements rpc.Dialer.
func (j joined) Dial(ctx context.Context, cfg rpc.DialConfig) (rpc.Transport, error) {
	t, err := j.Dialer.Dial(ctx, cfg)
	return &joinedTransport{Transport: t, closed: make(chan struct{})}, err
}

type joinedTransport struct {
	rpc.Transport
	closing atomic.Bool
	closed  chan struct{}
}

// Close implements rpc.Transport.
func (t *joinedTransport) Close() error {
	if t.closing.Swap(true) {
		<-t.closed
		return nil
	}
	defer close(t.closed)
	return t.Transport.Close()
}

// pipes is newWires in memory.
func pipes(t *testing.T, d rpc.Dialer, play func(n int, w *wire)) session.Config {
	t.Helper()
	var playing sync.WaitGroup
	t.Cleanup(playing.Wait)
	var dials atomic.Int64
	dial := func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		n := int(dials.Add(1))
		playing.Go(func() {
			defer theirs.Close()
			upgraded(play)(n, &wire{Conn: theirs, in: bufio.NewReader(theirs)})
		})
		return ours, nil
	}
	return session.Config{URL: "ws://localhost", Dialer: d, NetDial: dial, Heartbeat: -1, NewBackoff: quickly}
}

// TestPeerThatSleepsForAWhile has it wake up in time: the connection goes on. Meanwhile memory was bounded. It is not
// parallel: it looks at the heap.
func TestPeerThatSleepsForAWhile(t *testing.T) {
	for name, d := range dialers {
		for way, listen := range ways {
			t.Run(name+" over "+way, func(t *testing.T) { sleepsForAWhile(t, d, listen) })
		}
	}
}

func sleepsForAWhile(t *testing.T, d rpc.Dialer, listen listener) {
	t.Helper()
	wake, served := make(chan struct{}), make(chan []string, 1)
	cfg := listen(t, d, func(_ int, w *wire) {
		w.takeLittle(t)
		<-wake
		served <- w.serve()
	})
	awaken := sync.OnceFunc(func() { close(wake) })
	t.Cleanup(awaken)
	cfg.NetDial = dialNarrow
	s := dial(t, cfg)
	before := heap()

	results := pour(t, s)
	for s.Stats().Conn.Pending < flood && len(results) == 0 {
		runtime.Gosched()
	}
	// Each frame twice: as it is, and in the transport's buffer.
	if grown, bound := heap()-before, int64(2*flood*floodParams+(2<<20)); grown > bound {
		t.Errorf("the heap grew by %d bytes, want at most %d", grown, bound)
	}
	var ended []flooded
	for range flood {
		r := <-results
		wantUnanswered(t, r)
		ended = append(ended, r)
	}
	awaken()
	if err := s.Call(t.Context(), "public/hello", nil, nil); err != nil || s.Stats().Epoch != 1 {
		t.Errorf("a call when the peer is awake: %v, over connection %d", err, s.Stats().Epoch)
	}
	if grown := heap() - before; grown > 2<<20 {
		t.Errorf("%d bytes more on the heap when all is over", grown)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	methods := <-served
	wantHonest(t, ended, methods[:len(methods)-1]) // but for the one just made
}

// heap is the memory that is in use, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools held through the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// dialNarrow opens connections that take little at a time.
func dialNarrow(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetWriteBuffer(16 << 10)
}

// takeLittle has the network take less than a batch for w, as dialNarrow has it at the other end. What it takes of itself
// may be more than is written before the callers' deadlines: then nothing would stall.
func (w *wire) takeLittle(t *testing.T) {
	t.Helper()
	conn := w.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if err := conn.(*net.TCPConn).SetReadBuffer(16 << 10); err != nil {
		t.Error(err)
	}
}

// rest is the methods of all requests that were still to come. Of the last one only a part may have come.
func (w *wire) rest() []string {
	var methods []string
	for {
		msg, err := w.message()
		if len(msg) > 0 && !errors.Is(err, errCloseFrame) {
			methods = append(methods, methodOf(msg))
		}
		if err != nil {
			_, _ = io.Copy(io.Discard, w.in) // what may follow a close frame is none of ours
			return methods
		}
	}
}

// methodOf finds the method in what may be a part of a request.
func methodOf(msg []byte) string {
	_, rest, _ := bytes.Cut(msg, []byte(`"method":"`))
	method, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(method)
}

// flooded is what became of one of the callers.
type flooded struct {
	method string
	err    error
	late   time.Duration // after its deadline, and what the machine needed to tell of that
}

// pour makes as many calls at once as a flood has, each with a deadline and a method of its own.
func pour(t *testing.T, s *session.Session) <-chan flooded {
	t.Helper()
	results := make(chan flooded, flood)
	var calling sync.WaitGroup
	params := []string{strings.Repeat("x", floodParams)}
	for n := range flood {
		calling.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), floodPatience)
			defer cancel()
			deadline, _ := ctx.Deadline()
			machine := machineLag(ctx)
			method := fmt.Sprintf("public/flood_%02d", n)
			_, err := s.CallRaw(ctx, method, params, nil)
			late := time.Since(deadline)
			cancel()
			results <- flooded{method, err, late - <-machine}
		})
	}
	t.Cleanup(calling.Wait)
	return results
}

// machineLag is how late the machine tells of ctx's deadline, sent once ctx has ended: what else waits for it is as late at least.
func machineLag(ctx context.Context) <-chan time.Duration {
	lag := make(chan time.Duration, 1)
	deadline, _ := ctx.Deadline()
	go func() {
		<-ctx.Done()
		lag <- max(0, time.Since(deadline))
	}()
	return lag
}

// wantUnanswered checks how a call of a flood ended: by its deadline, or with the connection.
func wantUnanswered(t *testing.T, r flooded) {
	t.Helper()
	unanswered, ok := errors.AsType[*rpc.CallError](r.err)
	if !ok || unanswered.Method != r.method || !errors.Is(r.err, context.DeadlineExceeded) && !errors.Is(r.err, rpc.ErrWriteStalled) {
		t.Errorf("%s ended with %v", r.method, r.err)
	}
}

// wantHonest holds the outcomes of a flood against the requests that the peer has.
func wantHonest(t *testing.T, ended []flooded, at []string) {
	t.Helper()
	unsent := 0
	for _, r := range ended {
		if !rpc.SafeToRetry(r.err) {
			continue
		}
		unsent++
		if slices.Contains(at, r.method) {
			t.Errorf("%s was not sent, but the peer has it", r.method)
		}
	}
	if unsent == 0 || len(at) == 0 || len(at) > flood-unsent {
		t.Errorf("%d of %d calls were not sent, and %d are at the peer", unsent, flood, len(at))
	}
}

// loss is an Observer that remembers why a ready session first lost its connection.
type loss struct {
	recorder

	mu  sync.Mutex // protects why
	why error
}

// StateChanged implements session.Observer.
func (l *loss) StateChanged(_ *session.Session, from, _ session.State, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from == session.Ready && l.why == nil {
		l.why = why
	}
}

func (l *loss) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}
