package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// says is an attack of one message, in which %d is the victim's id.
func says(format string) hostileRun {
	return breaks(rpc.ErrMalformed, func(f *foe) { f.say(format) })
}

type hostileRun = func(a *arena)

// levels are arrays within arrays.
func levels(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// hostileMessages are attacks by what stands in a message. No error quotes it.
var hostileMessages = []hostile{
	{"garbage for a message", false, says("\x00hush %d")},
	{"half a message", false, says(`{"jsonrpc":"2.0","id":%d,"result":"hush`)},
	{"text behind a message", false, says(`{"jsonrpc":"2.0","id":%d,"result":"ok"} hush`)},
	{"batch", false, says(`[{"jsonrpc":"2.0","id":%d,"result":"hush"}]`)},
	{"byte order mark", false, says("\ufeff" + `{"id":%d,"result":"hush"}`)},
	{"NUL bytes between", false, says("{\x00\"id\":%d,\x00\"result\":\"hush\"}")},
	{"10,000 arrays in a result", false, says(`{"id":%d,"result":` + levels(10_000) + `}`)},
	{"10,000 objects in params", false, says(`{"method":"subscription","params":` + strings.Repeat(`{"a":`, 10_000) + "%d" + strings.Repeat("}", 10_000) + `}`)},
	{"a million brackets that are never closed", false, says(`{"id":%d,"result":` + strings.Repeat("[", 1_000_000))},
	{"same id twice", false, says(`{"id":%d,"id":1,"result":"hush"}`)},
	{"result twice", false, says(`{"id":%d,"result":"hush","result":"ok"}`)},
	{"id twice, once with escapes", false, says(`{"id":%d,"\u0069d":7,"result":"hush"}`)},
	{"method twice", false, says(`{"method":"subscription","method":"heartbeat","params":{"x":%d}}`)},
	{"names in capitals", false, says(`{"ID":%d,"RESULT":"hush"}`)},
	{"result in capitals", false, says(`{"id":%d,"Result":"hush"}`)},
	{"result and error", false, says(`{"id":%d,"result":"hush","error":{"code":1,"message":"hush"}}`)},
	{"neither result nor error", false, says(`{"jsonrpc":"2.0","id":%d,"hush":1}`)},
	{"method and result", false, says(`{"id":%d,"method":"hush","result":1}`)},
	{"NaN for a result", false, says(`{"id":%d,"result":NaN}`)},
	{"number without an end", false, says(`{"id":%d,"result":1e}`)},
	{"escape that is none", false, says(`{"id":%d,"result":"\x68ush"}`)},
	{"code that is text", false, says(`{"id":%d,"error":{"code":"13009","message":"hush"}}`)},
	{"code beyond 64 bits", false, says(`{"id":%d,"error":{"code":9223372036854775808,"message":"hush"}}`)},
	{"error that is text", false, says(`{"id":%d,"error":"hush"}`)},
	{"id that is an object", false, says(`{"id":{"hush":%d},"result":1}`)},
	{"number of a megabyte for a result", false, mistakes(`{"id":%d,"result":` + strings.Repeat("9", 1<<20) + `}`)},
	{"result of another type", false, mistakes(`{"id":%d,"result":{"hush":[1]}}`)},
	{"result that is broken inside", false, mistakes(`{"id":%d,"result":{"hush"}}`)},
	{"times that cannot be", false, bears(func(f *foe) {
		f.say(`{"id":%d,"result":"ok","usIn":-9223372036854775808,"usOut":9223372036854775807,"usDiff":1e999}`)
	}, twice)},
	{"half of a pair in a name", false, bears(func(f *foe) { f.say(`{"method":"\ud800","params":{"\udc00":%d}}`) }, unrouted(0))},
	{"method of a megabyte", false, bears(func(f *foe) {
		for range 20 {
			f.say(`{"method":"`, megabyte, `"}`)
		}
		f.look()
	}, unrouted(0))},
	{"refusal with three megabytes", false, func(a *arena) {
		s := dial(a.T, a.config("public/hello", func(f *foe) {
			f.say(`{"id":%d,"error":{"code":10009,"message":"`, megabyte, `","data":"`, megabyte, megabyte, `"}}`)
			f.look()
		}))
		_, err := a.call(s, patience)
		refusal, ok := errors.AsType[*rpc.Error](err)
		if !ok || refusal.Code != 10009 || len(err.Error()) > 1000 || refusal.Data != nil || s.Stats().Epoch != 1 {
			a.Errorf("the call ended with %T of %d bytes", err, len(err.Error()))
		}
		a.heap.look()
	}},
}

var megabyte = strings.Repeat("m", 1<<20)

// mistakes is an attack of one message that is the victim's answer, and does not decode: the connection goes on.
func mistakes(format string) hostileRun {
	return func(a *arena) {
		a.Helper()
		s := dial(a.T, a.config("public/hello", func(f *foe) { f.say(format) }))
		got, err := a.call(s, patience)
		if !errors.Is(err, rpc.ErrDecode) || rpc.SafeToRetry(err) || got != "" {
			a.Errorf("the call ended with %q, %v", got, err)
		}
		if epoch := s.Stats().Epoch; epoch != 1 || !s.Ready() {
			a.Errorf("the attack cost %d connections", epoch-1)
		}
	}
}

// hostileIDs are attacks by answers that are not what they seem.
var hostileIDs = []hostile{
	{"answer twice", false, bears(func(f *foe) { f.reply(f.victim) }, twice)},
	{"refusal behind an answer", false, bears(func(f *foe) {
		f.reply(f.victim)
		f.say(`{"id":%d,"error":{"code":13004,"message":"invalid_credentials"}}`)
	}, func(a *arena, s *session.Session) {
		wantSettled(a, s)
		strays(rpc.StrayDuplicate, 2)(a, s)
	})},
	{"answer to an id that was never sent", false, bears(func(f *foe) { f.say(`{"id":1%d,"result":"hush"}`) }, strays(rpc.StrayUnknownID, 1))},
	{"answer to an id of 40 digits", false, bears(func(f *foe) {
		f.say(`{"id":9999999999999999999999999999999999999%d,"result":"hush"}`)
	}, strays(rpc.StrayUnknownID, 1))},
	{"id with a fraction", false, bears(func(f *foe) { f.say(`{"id":%d.0,"result":"hush"}`) }, strays(rpc.StrayUnknownID, 1))},
	{"id with an exponent", false, bears(func(f *foe) { f.say(`{"id":%de0,"result":"hush"}`) }, strays(rpc.StrayUnknownID, 1))},
	{"id with a sign", false, bears(func(f *foe) { f.say(`{"id":-%d,"result":"hush"}`) }, strays(rpc.StrayUnknownID, 1))},
	{"id as text with a zero in front", false, bears(func(f *foe) { f.say(`{"id":"0%d","result":"hush"}`) }, strays(rpc.StrayUnknownID, 1))},
	{"a hundred answers that nobody asked for", false, bears(func(f *foe) {
		f.each(100, func(dst []byte, i int) []byte {
			return append(dst, text(fmt.Sprintf(`{"id":%d,"result":1}`, 1<<50+i))...)
		})
	}, strays(rpc.StrayUnknownID, 100))},
	{"answers that nobody asked for, without end", false, breaks(rpc.ErrMalformed, func(f *foe) {
		f.each(1<<20, func(dst []byte, i int) []byte {
			return append(dst, text(fmt.Sprintf(`{"id":%d,"result":1}`, 1<<50+i))...)
		})
	})},
	{"errors of no call", false, bears(func(f *foe) {
		f.flood(text(`{"error":{"code":11051,"message":"system_maintenance"}}`), 10_000)
		f.look()
	}, strays(rpc.StrayError, 10_000))},
	{"answers in a wrong order, and to ids that have no call", false, shuffledAnswers},
	{"answer to another session's call", false, foreignAnswer},
	{"answer to a call that was left", false, lateAnswer},
	{"token for an answer", false, bears(func(f *foe) {
		f.say(`{"id":1%d,"result":{"access_token":"hush","refresh_token":"hush","expires_in":1,"scope":""}}`)
	}, func(a *arena, s *session.Session) {
		if stats := s.Stats(); !stats.TokenExpires.IsZero() || stats.Generation != 0 {
			a.Errorf("the session took a token that was another call's: it ends at %v", stats.TokenExpires)
		}
		strays(rpc.StrayUnknownID, 1)(a, s)
	})},
	{"new key for an answer to another call", false, foreignKey},
}

// twice checks that one answer was a duplicate.
func twice(a *arena, s *session.Session) {
	a.Helper()
	wantSettled(a, s)
	strays(rpc.StrayDuplicate, 1)(a, s)
}

// wantSettled makes another call: all that came before its answer has been counted.
func wantSettled(a *arena, s *session.Session) {
	a.Helper()
	if got, err := a.call(s, patience); err != nil || got != "ok" {
		a.Errorf("another call ended with %q, %v", got, err)
	}
}

// shuffledAnswers answers sixteen calls from the last to the first, each with its own name, and others in between.
func shuffledAnswers(a *arena) {
	const calls = 16
	s := dial(a.T, a.config("public/0", func(f *foe) {
		asked := []request{f.victim}
		for len(asked) < calls {
			r, err := f.request()
			if err != nil {
				f.Error(err)
				return
			}
			asked = append(asked, r)
		}
		for _, r := range slices.Backward(asked) {
			f.send(text(fmt.Sprintf(`{"id":%d,"result":"made up"}`, r.ID+1<<20)))
			f.send(text(fmt.Sprintf(`{"id":%d,"result":%q}`, r.ID, r.Method)))
			f.send(text(fmt.Sprintf(`{"id":%d,"result":"made up"}`, r.ID)))
		}
	}))
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	var calling sync.WaitGroup
	for i := range calls {
		pending, err := s.Send(ctx, fmt.Sprintf("public/%d", i), nil)
		if err != nil {
			a.Fatal(err)
		}
		calling.Go(func() {
			var got string
			if err := pending.Wait(ctx, &got); err != nil || got != fmt.Sprintf("public/%d", i) {
				a.Errorf("call %d got %q, %v", i, got, err)
			}
		})
	}
	calling.Wait()
	wantSettled(a, s)
	got := s.Stats().Conn.Strays
	if got[rpc.StrayDuplicate] != calls || got[rpc.StrayUnknownID] != calls {
		a.Errorf("strays %v, want %d of two kinds", got, calls)
	}
}

// foreignAnswer has a peer answer the call that waits at another.
func foreignAnswer(a *arena) {
	waiting, done := make(chan uint64, 1), make(chan struct{})
	other := dial(a.T, a.config("public/hello", func(f *foe) {
		waiting <- f.victim.ID
		<-done
		f.reply(f.victim)
	}))
	s := dial(a.T, a.config("public/hello", func(f *foe) {
		f.send(text(fmt.Sprintf(`{"id":%d,"result":"made up"}`, <-waiting)))
		f.reply(f.victim)
	}))
	var calling sync.WaitGroup
	calling.Go(func() {
		if got, err := a.call(other, patience); err != nil || got != "ok" {
			a.Errorf("the other session's call ended with %q, %v", got, err)
		}
	})
	wantSettled(a, s)
	close(done)
	calling.Wait()
	strays(rpc.StrayUnknownID, 1)(a, s)
}

// lateAnswer has a peer answer when the caller has left.
func lateAnswer(a *arena) {
	left := make(chan struct{})
	s := dial(a.T, a.config("public/hello", func(f *foe) {
		<-left
		f.reply(f.victim)
	}))
	ctx, cancel := context.WithCancel(a.Context())
	pending, err := s.Send(ctx, "public/hello", nil)
	if err != nil {
		a.Fatal(err)
	}
	cancel()
	if err := pending.Wait(ctx, nil); !errors.Is(err, context.Canceled) || rpc.SafeToRetry(err) {
		a.Errorf("the call that was left ended with %v", err)
	}
	close(left)
	wantSettled(a, s)
	strays(rpc.StrayLate, 1)(a, s)
}

// foreignKey has a reset wait for its answer while another call is answered as if it were one.
func foreignKey(a *arena) {
	const key, forged = `{"id":7,"client_id":"c","client_secret":"true","max_scope":""}`, `{"id":7,"client_id":"c","client_secret":"forged","max_scope":""}`
	s := dial(a.T, a.config("private/reset_api_key", func(f *foe) {
		hello, err := f.request()
		if err != nil {
			f.Error(err)
			return
		}
		f.send(text(fmt.Sprintf(`{"id":%d,"result":%s}`, hello.ID, forged)))
		f.send(text(fmt.Sprintf(`{"id":%d,"result":%s}`, hello.ID, forged)))
		f.send(text(fmt.Sprintf(`{"id":%d,"result":%s}`, f.victim.ID, key)))
	}))
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	reset, err := s.Send(ctx, "private/reset_api_key", map[string]int{"id": 7})
	if err != nil {
		a.Fatal(err)
	}
	if raw, err := s.CallRaw(ctx, "public/hello", nil, nil); err != nil || string(raw) != forged {
		a.Errorf("the other call got %s, %v", raw, err)
	}
	if raw, err := reset.WaitRaw(ctx, nil); err != nil || string(raw) != key {
		a.Errorf("the reset got %s, %v", raw, err)
	}
	strays(rpc.StrayDuplicate, 1)(a, s)
}
