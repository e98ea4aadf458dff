package session_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// notes is a flood of notifications of channels that nobody asked for, with a look at the heap.
func notes(n int, next func(i int) string) func(f *foe) {
	return func(f *foe) {
		f.each(n, func(dst []byte, i int) []byte { return append(dst, text(next(i))...) })
		f.look()
	}
}

// hostileSubscriptions are attacks by notifications, and by the answers to a subscribe.
var hostileSubscriptions = []hostile{
	{"notifications of a channel that nobody asked for", false, bears(notes(100_000, func(int) string {
		return `{"method":"subscription","params":{"channel":"ticker.A","data":{}}}`
	}), unrouted(100_000))},
	{"notifications of a million channels", false, bears(notes(1_000_000, func(i int) string {
		return `{"method":"subscription","params":{"channel":"` + strconv.Itoa(i) + `","data":1}}`
	}), unrouted(1_000_000))},
	{"channels whose names are a megabyte long", false, bears(func(f *foe) {
		for range 20 {
			f.say(`{"method":"subscription","params":{"channel":"`, megabyte, `","data":1}}`)
		}
		f.look()
	}, unrouted(20))},
	{"notification without data", false, bears(notes(1, func(int) string { return `{"method":"subscription","params":{"channel":"c"}}` }), unrouted(1))},
	{"notification without a channel", false, bears(notes(1, func(int) string { return `{"method":"subscription","params":{"data":1}}` }), unrouted(1))},
	{"notification whose channel is a list", false, bears(notes(1, func(int) string {
		return `{"method":"subscription","params":{"channel":["c"],"data":1}}`
	}), unrouted(1))},
	{"notification without params", false, bears(notes(1, func(int) string { return `{"method":"subscription"}` }), unrouted(1))},
	{"notification whose params are a number", false, bears(notes(1, func(int) string { return `{"method":"subscription","params":1e999}` }), unrouted(1))},
	{"notifications of methods that nobody knows", false, bears(notes(100_000, func(i int) string {
		return `{"method":"m` + strconv.Itoa(i) + `","params":{"channel":"c","data":1}}`
	}), unrouted(0))},
	{"echo of channels that were not asked for", false, subscribes(`["ticker.A","user.trades.any.raw","ticker.B"]`, func(a *arena, s *session.Session, err error) {
		if err != nil || s.Stats().Channels != 1 || len(s.Channels()) != 1 || s.Channels()[0].Channel != "ticker.A" {
			a.Errorf("Subscribe = %v, and there are %v", err, s.Channels())
		}
	})},
	{"echo of half a million names", false, subscribes(`["ticker.A"`+strings.Repeat(`,"n"`, 500_000)+`]`, fruitless(is(rpc.ErrDecode)))},
	{"echo of nothing", false, subscribes(`[]`, fruitless(isA[*session.SubscribeError]))},
	{"echo of another name", false, subscribes(`["TICKER.A"]`, fruitless(isA[*session.SubscribeError]))},
	{"echo that is no list", false, subscribes(`{"ticker.A":true}`, fruitless(is(rpc.ErrDecode)))},
	{"echo that is a list of numbers", false, subscribes(`[1,2]`, fruitless(is(rpc.ErrDecode)))},
	{"data that is broken inside", false, func(a *arena) {
		s := dial(a.T, a.config("public/subscribe", func(f *foe) {
			f.reply(f.victim)
			f.send(text(`{"method":"subscription","params":{"channel":"ticker.A","data":{"a":}}}`), text(`{"method":"subscription","params":{"channel":"ticker.A","data":2}}`))
		}))
		sub, err := s.Subscribe(a.Context(), session.SubscribeConfig{}, "ticker.A")
		if err != nil {
			a.Fatal(err)
		}
		for _, want := range []string{`{"a":}`, "2"} {
			if n, err := receive(a.T, sub); err != nil || string(n.Data) != want {
				a.Errorf("got %q, %v, want %q: what is inside is for its decoder", n.Data, err, want)
			}
		}
	}},
}

// subscribes has the answer to a subscribe to ticker.A be this.
func subscribes(result string, check func(a *arena, s *session.Session, err error)) hostileRun {
	return func(a *arena) {
		a.Helper()
		s := dial(a.T, a.config("public/subscribe", func(f *foe) {
			f.say(`{"id":%d,"result":`, result, `}`)
			f.look()
		}))
		ctx, cancel := context.WithTimeout(a.Context(), patience)
		defer cancel()
		machine := machineLag(ctx)
		_, err := s.Subscribe(ctx, session.SubscribeConfig{}, "ticker.A")
		a.ended(ctx, machine)
		check(a, s, err)
		wantSettled(a, s)
		if epoch := s.Stats().Epoch; epoch != 1 {
			a.Errorf("the attack cost %d connections", epoch-1)
		}
	}
}

// fruitless is a Subscribe that failed with an error of some type, and left nothing.
func fruitless(typed func(err error) bool) func(a *arena, s *session.Session, err error) {
	return func(a *arena, s *session.Session, err error) {
		a.Helper()
		if !typed(err) || s.Stats().Channels != 0 {
			a.Errorf("Subscribe = %.300v, and there are %d channels", fmt.Sprint(err), s.Stats().Channels)
		}
	}
}
