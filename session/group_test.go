package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// dialGroup opens a group that closes at the test's end.
func dialGroup(t *testing.T, cfg session.GroupConfig) *session.Group {
	t.Helper()
	g, err := session.DialGroup(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() {
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return g
}

// grouped is the Config of a group whose sessions dial f.
func grouped(f *far, sessions, copies int) session.GroupConfig {
	cfg := scripted(f)
	cfg.Name = "md"
	return session.GroupConfig{Config: cfg, Sessions: sessions, Copies: copies}
}

func TestGroupConfig(t *testing.T) {
	t.Parallel()
	good := session.Config{URL: session.TestURL}
	named := good
	named.Scope = "session:md trade:read_write"
	for field, cfg := range map[string]session.GroupConfig{
		"Sessions: must not":     {Config: good, Sessions: -1},
		"Sessions: 33":           {Config: good, Sessions: 33},
		"Sessions: 17":           {Config: named, Sessions: 17},
		"Copies: 3":              {Config: good, Copies: 3, Sessions: 3},
		"Copies: -1":             {Config: good, Copies: -1},
		"3 sessions are no pair": {Config: good, Copies: 2, Sessions: 3},
		"URL":                    {},
	} {
		g, err := session.DialGroup(t.Context(), cfg)
		if !errors.Is(err, session.ErrConfig) || !strings.Contains(err.Error(), field) || g != nil {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestGroupNamesItsSessions checks that no two share a name, on this side or at the exchange.
func TestGroupNamesItsSessions(t *testing.T) {
	t.Parallel()
	server := newServer(t, deribittest.Config{Tick: -1})
	key := server.AddKey(deribittest.KeyConfig{})
	cfg := session.GroupConfig{Config: on(server, key), Sessions: 16}
	cfg.Name, cfg.Scope = "md", "session:md trade:read_write"
	g := dialGroup(t, cfg)
	for i, s := range g.Sessions() {
		if want := fmt.Sprintf("md-%d", i+1); s.Name() != want {
			t.Errorf("%s, want %s", s.Name(), want)
		}
		// One whose name another had taken would be without authority now.
		if err := s.Call(session.Once(t.Context()), "private/get_positions", map[string]any{"currency": "BTC"}, nil); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	}
	if open := server.Stats().OpenConnections; open != 16 || !g.Ready() || g.Name() != "md" || g.Err() != nil {
		t.Errorf("%d connections, ready %v, name %q, %v", open, g.Ready(), g.Name(), g.Err())
	}
}

// TestDialGroupIsAllOrNothing has the exchange take three connections of an address, of four.
func TestDialGroupIsAllOrNothing(t *testing.T) {
	t.Parallel()
	server := newServer(t, deribittest.Config{Tick: -1, ConnectionsPerIP: 3})
	cfg := session.GroupConfig{Config: on(server, server.AddKey(deribittest.KeyConfig{})), Sessions: 4}
	cfg.Name = "md"
	g, err := session.DialGroup(t.Context(), cfg)
	handshake, ok := errors.AsType[*rpc.HandshakeError](err)
	if !ok || handshake.Status != 429 || !strings.Contains(err.Error(), "md-") || g != nil {
		t.Fatalf("%v, %v", g, err)
	}
	until(t, "nothing is left", func() bool { return server.Stats().OpenConnections == 0 })
}

func TestDialGroupIsBoundedByItsCtx(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		f.hang.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		cfg := grouped(f, 8, 1)
		cfg.DialTimeout = time.Hour
		if _, err := session.DialGroup(ctx, cfg); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.dials != 4 {
			t.Errorf("%d at once", f.dials)
		}
	})
}

// TestGroupRoutes has orders and their cancels on one connection, and reads on all.
func TestGroupRoutes(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	g := dialGroup(t, grouped(f, 3, 1))
	ctx := t.Context()
	for range 60 {
		for _, method := range []string{"private/buy", "private/edit", "private/cancel", "private/reset_api_key", "public/ticker"} {
			if err := g.Call(ctx, method, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := g.CallRaw(ctx, "private/get_positions", nil, nil); err != nil {
			t.Fatal(err)
		}
		pending, err := g.Send(ctx, "private/sell", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := pending.Wait(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	first := f.connectionOf(t, g.Sessions()[0])
	for _, method := range []string{"private/buy", "private/edit", "private/cancel", "private/reset_api_key", "private/sell"} {
		if got := f.carried(method); len(got) != 1 || got[first] != 60 {
			t.Errorf("%s went over %v, want 60 over %d", method, got, first)
		}
	}
	for _, method := range []string{"public/ticker", "private/get_positions"} {
		if got := f.carried(method); len(got) != 3 {
			t.Errorf("%s went over %v, want 3 connections", method, got)
		}
	}
}

// TestGroupWithoutItsFirst loses the first session: orders fail before anything left, cancels and reads find another one.
func TestGroupWithoutItsFirst(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	cfg := grouped(f, 2, 1)
	g := dialGroup(t, cfg)
	first := f.connectionOf(t, g.Sessions()[0])
	f.hang.Store(true)
	f.all()[first-1].close()
	until(t, "the first is not ready", func() bool { return !g.Sessions()[0].Ready() })
	if g.Ready() {
		t.Error("ready, and has no session for orders")
	}
	err := g.Call(t.Context(), "private/buy", nil, nil)
	unsent, ok := errors.AsType[*rpc.CallError](err)
	if !ok || unsent.Outcome != rpc.NotSent || !errors.Is(err, session.ErrNotReady) {
		t.Errorf("an order: %v", err)
	}
	for range 20 {
		for _, method := range []string{"private/cancel", "public/ticker"} {
			if err := g.Call(t.Context(), method, nil, nil); err != nil {
				t.Errorf("%s: %v", method, err)
			}
		}
	}
	if got := f.carried("private/buy"); len(got) != 0 {
		t.Errorf("orders went over %v", got)
	}
	f.hang.Store(false)
	if err := g.WaitReady(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestGroupResendsNothing cuts each connection while a read is under way: its outcome is unknown, and no other session has it.
func TestGroupResendsNothing(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	f := newFar(t, script{"public/ticker": func(p *peer, _ request) {
		seen.Add(1)
		p.close()
	}})
	g := dialGroup(t, grouped(f, 3, 1))
	for i := range 10 {
		err := g.Call(t.Context(), "public/ticker", nil, nil)
		unknown, ok := errors.AsType[*rpc.CallError](err)
		if !ok || unknown.Outcome != rpc.Unknown {
			t.Errorf("%v", err)
		}
		if seen.Load() != int64(i+1) {
			t.Fatalf("seen %d times after %d calls", seen.Load(), i+1)
		}
		if err := g.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGroupSharesItsCredits has all sessions of a group subscribe within the credits of one account.
func TestGroupSharesItsCredits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		g := dialGroup(t, grouped(f, 4, 1))
		begun := time.Now()
		for i := range 12 {
			if _, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, fmt.Sprintf("ticker.N%d.100ms", i)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took < 4*310*time.Millisecond {
			t.Errorf("12 frames in %v: each session has credits of its own", took)
		}
	})
}

// TestGroupSpreadsChannels evenly, with the private ones beside the orders; a channel stays where it is, and is shared.
func TestGroupSpreadsChannels(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	g := dialGroup(t, grouped(f, 3, 1))
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("ticker.N%02d.100ms", i))
	}
	first, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, append(names, "user.orders.any.any.raw", "user.changes.any.any.raw")...)
	if err != nil {
		t.Fatal(err)
	}
	placed := func() map[string]string {
		where := map[string]string{}
		for _, ch := range g.Channels() {
			where[ch.Channel] = strings.Join(ch.Sessions, " ")
		}
		return where
	}
	before := placed()
	load := map[string]int{}
	for name, at := range before {
		load[at]++
		if strings.HasPrefix(name, "user.") && at != "md-1" {
			t.Errorf("%s is on %s", name, at)
		}
	}
	if len(before) != 32 || load["md-2"] < 10 || load["md-3"] < 10 || load["md-1"] < 10 {
		t.Errorf("%v", load)
	}
	second, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, names[:6]...)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := placed()
	if len(after) != 6 {
		t.Errorf("%v", after)
	}
	for name, at := range after {
		if before[name] != at {
			t.Errorf("%s has moved from %s to %s", name, before[name], at)
		}
	}
	if err := second.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := placed(); len(left) != 0 {
		t.Errorf("%v", left)
	}
	if asked, back := f.count("public/subscribe")+f.count("private/subscribe"), f.count("public/unsubscribe")+f.count("private/unsubscribe"); back == 0 || asked == 0 {
		t.Errorf("%d frames subscribe, %d unsubscribe", asked, back)
	}
}

// TestGroupSubscribeIsAllOrNothing has channels refused that would be on two sessions.
func TestGroupSubscribeIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, copies := range []int{1, 2} {
		server := newServer(t, deribittest.Config{Tick: -1})
		cfg := session.GroupConfig{Config: on(server, server.AddKey(deribittest.KeyConfig{})), Sessions: 4, Copies: copies}
		g := dialGroup(t, cfg)
		_, err := g.Subscribe(t.Context(), session.SubscribeConfig{},
			"ticker.BTC-PERPETUAL.100ms", "ticker.ETH-PERPETUAL.100ms", "ticker.NO-SUCH.100ms", "trades.NO-SUCH.100ms")
		refusal, ok := errors.AsType[*session.SubscribeError](err)
		if !ok || !slices.Equal(refusal.Refused, []string{"ticker.NO-SUCH.100ms", "trades.NO-SUCH.100ms"}) {
			t.Errorf("%v", err)
		}
		if left := g.Channels(); len(left) != 0 {
			t.Errorf("%v", left)
		}
		if _, err := g.Subscribe(t.Context(), session.SubscribeConfig{}); !errors.Is(err, session.ErrConfig) {
			t.Error(err)
		}
	}
}

// TestGroupEnds tells of a session that has ended for good, and ends with the last.
func TestGroupEnds(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	g := dialGroup(t, grouped(f, 2, 1))
	var subs [2]*session.Subscription
	for i := range subs {
		var err error
		if subs[i], err = g.Subscribe(t.Context(), session.SubscribeConfig{}, fmt.Sprintf("ticker.N%d.100ms", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Sessions()[1].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the group says so", func() bool { return g.Err() != nil })
	if err := g.Err(); !errors.Is(err, session.ErrClosed) || !strings.Contains(err.Error(), "md-2") {
		t.Errorf("%v", err)
	}
	if err := g.WaitReady(t.Context()); err == nil || g.Ready() {
		t.Error("ready without a session for some channels")
	}
	_, err := receive(t, subs[1])
	if refusal, ok := errors.AsType[*session.SubscribeError](err); !ok || !errors.Is(refusal, session.ErrClosed) {
		t.Errorf("the stream of the session that has ended: %v", err)
	}
	if subs[0].Err() != nil {
		t.Errorf("the other stream: %v", subs[0].Err())
	}
	for i := range 5 {
		if _, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, fmt.Sprintf("ticker.M%d.100ms", i)); err != nil {
			t.Errorf("while another session lives: %v", err)
		}
	}
	if err := g.Call(t.Context(), "private/buy", nil, nil); err != nil {
		t.Error(err)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	<-g.Done()
	if err := subs[0].Err(); !errors.Is(err, session.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.N0.100ms"); !errors.Is(err, session.ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := g.Call(t.Context(), "public/ticker", nil, nil); !errors.Is(err, session.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestGroupCallAllocatesNothing beyond what a session's does.
func TestGroupCallAllocatesNothing(t *testing.T) {
	f := newFar(t, nil)
	g := dialGroup(t, grouped(f, 2, 1))
	per := func(call func(context.Context, string, any, []byte) ([]byte, error)) float64 {
		dst := make([]byte, 0, 1024)
		return testing.AllocsPerRun(200, func() {
			if _, err := call(t.Context(), "public/test", nil, dst); err != nil {
				t.Fatal(err)
			}
		})
	}
	more := 0.5
	if raced { // then a sync.Pool forgets at random
		more = 5
	}
	if group, one := per(g.CallRaw), per(g.Sessions()[0].CallRaw); group > one+more {
		t.Errorf("%v allocations, those of a session are %v", group, one)
	}
}

// carried is how many requests of a method went over each connection.
func (f *far) carried(method string) map[int]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := map[int]int{}
	for _, line := range f.log {
		var number int
		var what string
		if _, err := fmt.Sscan(line, &number, &what); err == nil && what == method {
			got[number]++
		}
	}
	return got
}

// connectionOf finds the number of a session's connection.
func (f *far) connectionOf(t *testing.T, s *session.Session) int {
	t.Helper()
	before := f.carried("public/get_time")
	if err := s.Call(t.Context(), "public/get_time", nil, nil); err != nil {
		t.Fatal(err)
	}
	for number, n := range f.carried("public/get_time") {
		if n > before[number] {
			return number
		}
	}
	t.Fatal("the call has left no trace")
	return 0
}
