package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const (
	// heapSlack is how much more than the read limit an attack may have on the heap, in bytes.
	heapSlack = 2 << 20
	// patience is what a call grants a hostile peer, and lateness how long after its deadline it may return on a busy machine. In a
	// bubble it is never late.
	patience, lateness = time.Minute, time.Second
)

// hostile is one attack: its name says what the peer does, and its run holds what becomes of it.
type hostile struct {
	name  string
	every bool // over each Dialer, for what the transport is to bear
	run   func(a *arena)
}

// TestHostile attacks a session with raw peers, case by case. Nothing may panic, no call may outlast its deadline, the heap may
// not grow by more than the read limit and 2 MiB, nothing may be left behind, and each case says which error or counter tells
// of the attack. It is not parallel: it looks at the heap.
func TestHostile(t *testing.T) {
	var sum tally
	for _, cases := range [][]hostile{hostileOpenings, hostileFrames, hostileMessages, hostileIDs, hostileSubscriptions, hostileLogins} {
		for _, c := range cases {
			sum.cases++
			for name, d := range dialers {
				if !c.every && name != "nhooyr" {
					continue
				}
				t.Run(c.name+" over "+name, func(t *testing.T) { sum.run(t, d, c) })
			}
		}
	}
	if sum.cases < 60 {
		t.Errorf("%d cases, want 60 at least", sum.cases)
	}
	t.Logf("%d cases, %d attacks; the heap grew by %d KiB at most, %d KiB below the bound; the latest call returned %v after its deadline",
		sum.cases, sum.attacks, sum.grown>>10, (rpc.DefaultReadLimit+heapSlack-sum.grown)>>10, sum.latest)
}

// tally is what all attacks came to.
type tally struct {
	cases, attacks int
	grown          int64         // of the heap, at most, in bytes
	latest         time.Duration // call, 0 if none returned after its deadline
}

// run plays one case.
func (sum *tally) run(t *testing.T, d rpc.Dialer, c hostile) {
	t.Helper()
	leaktest.Check(t)
	a := &arena{T: t, dialer: d, sum: sum, heap: watchHeap()}
	sum.attacks++
	defer func() {
		grown := a.heap.end()
		sum.grown = max(sum.grown, grown)
		if grown > rpc.DefaultReadLimit+heapSlack {
			t.Errorf("the heap grew by %d bytes, want %d at most", grown, rpc.DefaultReadLimit+heapSlack)
		}
	}()
	c.run(a)
}

// heapWatch looks at the live heap over and over. The peers write nothing meanwhile, so that the client comes to rest with what the
// attack has left on the heap so far: what is allocated while a collection runs would count, though it is garbage.
type heapWatch struct {
	before  uint64
	stop    chan struct{}
	looking sync.WaitGroup
	gate    sync.RWMutex // closed for the peers while somebody looks; it also protects most
	most    uint64
}

func watchHeap() *heapWatch {
	h := &heapWatch{stop: make(chan struct{}), before: liveHeap()}
	h.looking.Go(func() {
		pause := 20 * time.Millisecond
		for {
			select {
			case <-h.stop:
				return
			case <-time.After(pause):
			}
			start := time.Now()
			h.look()
			pause = max(pause, 5*time.Since(start)) // else a slow machine does nothing else
		}
	})
	return h
}

// look takes the least of some collections: the first ones may come before the client's rest.
func (h *heapWatch) look() {
	h.gate.Lock()
	defer h.gate.Unlock()
	least := liveHeap()
	for range 4 {
		runtime.Gosched()
		least = min(least, liveHeap())
	}
	h.most = max(h.most, least)
}

// pass waits while somebody looks.
func (h *heapWatch) pass() {
	h.gate.RLock()
	defer h.gate.RUnlock()
}

// end returns by how much the heap has grown at most.
func (h *heapWatch) end() int64 {
	close(h.stop)
	h.looking.Wait()
	h.look()
	h.gate.Lock()
	defer h.gate.Unlock()
	return int64(h.most) - int64(h.before)
}

// liveHeap is what a collection finds in use, whatever is waiting to be swept, in bytes.
func liveHeap() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// arena is where one attack takes place.
type arena struct {
	*testing.T
	dialer rpc.Dialer
	heap   *heapWatch
	sum    *tally
	inside bool // a bubble
}

// bubble has an attack take place in a synctest bubble.
func bubble(run func(a *arena)) func(a *arena) {
	return func(a *arena) {
		a.Helper()
		synctest.Test(a.T, func(t *testing.T) {
			inner := *a
			inner.T, inner.inside = t, true
			run(&inner)
		})
	}
}

// foe is a peer that has behaved so far.
type foe struct {
	*wire
	*arena
	n      int     // of the connection
	victim request // waits for its answer
}

// config is the Config of a session with a peer that behaves until it is asked for method, and plays then. It behaves behind that, as
// over the next connection.
func (a *arena) config(method string, play func(f *foe), over ...net.Listener) session.Config {
	a.Helper()
	act := func(n int, w *wire) {
		f := &foe{wire: w, arena: a, n: n}
		if n == 1 && f.behave(method) {
			play(f)
		}
		f.behave("")
	}
	if a.inside {
		return pipes(a.T, joined{a.dialer}, act)
	}
	if len(over) > 0 {
		playing(a.T, over[0], upgraded(act))
		return session.Config{URL: "ws://localhost", Dialer: a.dialer, Heartbeat: -1, NewBackoff: quickly}
	}
	return newWires(a.T, a.dialer, act)
}

// behave answers all requests up to the first for method, and reports whether that came. It ends as the client says goodbye.
func (f *foe) behave(method string) bool {
	for {
		r, err := f.request()
		if err != nil {
			return false
		}
		if r.Method == method {
			f.victim = r
			return true
		}
		f.reply(r)
	}
}

// reply answers a request as it should be. A client that has hung up is none of the peer's business.
func (f *foe) reply(r request) {
	switch r.Method {
	case "public/subscribe", "private/subscribe", "public/unsubscribe", "private/unsubscribe":
		names, err := json.Marshal(channelsOf(r))
		if err != nil {
			f.Error(err)
		}
		f.send(text(fmt.Sprintf(`{"id":%d,"result":%s}`, r.ID, names)))
	default:
		f.send(answer(r))
	}
}

// send writes frames.
func (f *foe) send(frames ...[]byte) {
	for _, frame := range frames {
		f.heap.pass()
		if _, err := f.Write(frame); err != nil {
			return
		}
	}
}

// say sends a text message in which %d is the victim's id. It makes no copy of a long one.
func (f *foe) say(format string) {
	before, after, found := strings.Cut(format, "%d")
	id := ""
	if found {
		id = strconv.FormatUint(f.victim.ID, 10)
	}
	buf := append(make([]byte, 0, 64<<10), header(uint64(len(before)+len(id)+len(after)))...)
	for _, part := range []string{before, id, after} {
		for len(part) > 0 {
			n := min(len(part), cap(buf)-len(buf))
			buf, part = append(buf, part[:n]...), part[n:]
			if len(buf) == cap(buf) {
				f.send(buf)
				buf = buf[:0]
			}
		}
	}
	f.send(buf)
}

// flood sends a frame n times, many in one write.
func (f *foe) flood(frame []byte, n int) {
	f.each(n, func(dst []byte, _ int) []byte { return append(dst, frame...) })
}

// each sends n frames that next appends, many in one write.
func (f *foe) each(n int, next func(dst []byte, i int) []byte) {
	var buf []byte
	for i := range n {
		buf = next(buf, i)
		if len(buf) < 64<<10 && i < n-1 {
			continue
		}
		f.heap.pass()
		if _, err := f.Write(buf); err != nil {
			return
		}
		buf = buf[:0]
	}
}

// look takes a look at the heap when the attack is at its height.
func (f *foe) look() { f.heap.look() }

// call makes the victim's call, of which the peer may make what it likes but outlast its deadline.
func (a *arena) call(s *session.Session, wait time.Duration) (string, error) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), wait)
	defer cancel()
	var got string
	err := s.Call(ctx, "public/hello", nil, &got)
	a.ended(ctx)
	return got, err
}

// ended notes that a call with that ctx has ended now.
func (a *arena) ended(ctx context.Context) {
	a.Helper()
	deadline, _ := ctx.Deadline()
	late := time.Since(deadline)
	a.sum.latest = max(a.sum.latest, late)
	if late > lateness || a.inside && late > 0 {
		a.Errorf("a call returned %v after its deadline", late)
	}
}

// breaks is an attack that ends its connection alone, with an error that matches want if that is not nil. The victim's call ends
// with an unknown outcome for that reason, and the session goes on over another connection.
func breaks(want error, play func(f *foe)) func(a *arena) {
	return func(a *arena) {
		a.Helper()
		seen := &loss{}
		cfg := a.config("public/hello", play)
		cfg.Observer = seen
		s := dial(a.T, cfg)
		got, err := a.call(s, patience)
		unanswered, ok := errors.AsType[*rpc.CallError](err)
		if !ok || unanswered.Outcome != rpc.Unknown || errors.Is(err, context.DeadlineExceeded) || want != nil && !errors.Is(err, want) {
			a.Errorf("the call ended with %q, %v, want an unknown outcome and %v", got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			a.Errorf("%q quotes the frame", err)
		}
		wantRecovery(a.T, s)
		if why := seen.reason(); why == nil || want != nil && !errors.Is(why, want) {
			a.Errorf("the observer was told of %v, want %v", why, want)
		}
	}
}

// bears is an attack that harms nobody: the victim gets its true answer behind it, over the same connection, and check finds what
// was counted.
func bears(play func(f *foe), check func(a *arena, s *session.Session)) func(a *arena) {
	return func(a *arena) {
		a.Helper()
		s := dial(a.T, a.config("public/hello", func(f *foe) {
			play(f)
			f.reply(f.victim)
		}))
		if got, err := a.call(s, patience); err != nil || got != "ok" {
			a.Errorf("the call ended with %q, %v", got, err)
		}
		if epoch := s.Stats().Epoch; epoch != 1 {
			a.Errorf("the attack cost %d connections", epoch-1)
		}
		check(a, s)
	}
}

// outlasts is an attack that keeps a call from its answer until its deadline.
func outlasts(play func(f *foe)) func(a *arena) {
	return func(a *arena) {
		a.Helper()
		s := dial(a.T, a.config("public/hello", play))
		got, err := a.call(s, 300*time.Millisecond)
		if !errors.Is(err, context.DeadlineExceeded) || rpc.SafeToRetry(err) {
			a.Errorf("the call ended with %q, %v, want its deadline and an unknown outcome", got, err)
		}
	}
}

// forgiven is an attack that a strict Dialer refuses and another passes over: the victim gets its true answer, or none.
func forgiven(play func(f *foe)) func(a *arena) {
	return func(a *arena) {
		a.Helper()
		s := dial(a.T, a.config("public/hello", func(f *foe) {
			play(f)
			f.reply(f.victim)
		}))
		got, err := a.call(s, patience)
		_, unanswered := errors.AsType[*rpc.CallError](err)
		if err == nil && got != "ok" || err != nil && (!unanswered || rpc.SafeToRetry(err) || errors.Is(err, context.DeadlineExceeded)) {
			a.Errorf("the call ended with %q, %v", got, err)
		}
		if a.dialer == dialers["lean"] && err == nil {
			a.Error("the strict Dialer passed over it")
		}
	}
}

// strays checks how many strays of a kind were counted.
func strays(kind rpc.StrayKind, want uint64) func(a *arena, s *session.Session) {
	return func(a *arena, s *session.Session) {
		a.Helper()
		if got := s.Stats().Conn.Strays; got[kind] != want {
			a.Errorf("strays %v, want %d of kind %d", got, want, kind)
		}
	}
}

// unrouted checks how many notifications went to nobody.
func unrouted(want uint64) func(a *arena, s *session.Session) {
	return func(a *arena, s *session.Session) {
		a.Helper()
		if got := s.Stats(); got.Unrouted != want || got.Channels != 0 || len(s.Channels()) != 0 {
			a.Errorf("%d notifications went to nobody, want %d; %d channels", got.Unrouted, want, got.Channels)
		}
	}
}

// harmless checks nothing more.
func harmless(*arena, *session.Session) {}
