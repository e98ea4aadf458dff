package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

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

// say sends a text message of some parts, in which %d is the victim's id. It makes no copy of a long one, which would count.
func (f *foe) say(message ...string) {
	id := strconv.FormatUint(f.victim.ID, 10)
	var parts []string
	size := 0
	for _, part := range message {
		before, after, found := strings.Cut(part, "%d")
		if found {
			parts = append(parts, before, id, after)
		} else {
			parts = append(parts, part)
		}
	}
	for _, part := range parts {
		size += len(part)
	}
	buf := append(make([]byte, 0, 64<<10), header(uint64(size))...)
	for _, part := range parts {
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
	machine := machineLag(ctx)
	var got string
	err := s.Call(ctx, "public/hello", nil, &got)
	a.ended(ctx, machine)
	return got, err
}

// ended notes that a call with that ctx has ended now; machine is the machineLag of it.
func (a *arena) ended(ctx context.Context, machine <-chan time.Duration) {
	a.Helper()
	deadline, _ := ctx.Deadline()
	late := time.Since(deadline)
	if late > 0 {
		late -= <-machine
	}
	a.sum.latest = max(a.sum.latest, late)
	if late > lateness || a.inside && late > 0 {
		a.Errorf("a call returned %v after its deadline", late)
	}
}
