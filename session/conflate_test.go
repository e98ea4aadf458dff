package session_test

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/session"
)

func TestConflateKeepsTheNewestOfEachChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		sub := subscribe(t, s, session.SubscribeConfig{Policy: session.Conflate}, "ticker.A", "ticker.B", "ticker.C")
		for i := range 5 {
			f.last().notify("ticker.A", strconv.Itoa(i))
			f.last().notify("ticker.B", strconv.Itoa(10+i))
		}
		f.last().notify("ticker.C", "20")
		synctest.Wait()
		wantEntries(t, waiting(t, sub), "4 14 20")
		f.last().notify("ticker.A", "5")
		synctest.Wait()
		wantEntries(t, waiting(t, sub), "5")
		for _, kind := range s.Stats().Kinds {
			if kind.Kind == "ticker" && kind.Dropped != 8 {
				t.Errorf("%+v", kind)
			}
		}
	})
}

// TestConflateTellsOfGaps once, before all that waits, of which what came before the gap is dropped.
func TestConflateTellsOfGaps(t *testing.T) {
	t.Parallel()
	r := session.NewRing(session.Conflate, 3, 1000)
	a, b, c := r.Channel("a"), r.Channel("b"), r.Channel("c")
	all := &session.GapError{Reason: session.GapReconnect, Epoch: 1}
	ofA := &session.GapError{Reason: session.GapReconnect, Channel: "a", Epoch: 1}
	a.Push(1, []byte("a1"))
	r.Gap(all)
	b.Push(2, []byte("b2"))
	wantEntries(t, drain(t, r), "reconnect/1 b2")
	a.Push(1, []byte("a1"))
	r.Gap(all)
	b.Push(2, []byte("b2"))
	r.Gap(all)
	wantEntries(t, drain(t, r), "reconnect/2")
	r.Gap(all)
	wantEntries(t, drain(t, r), "reconnect/0")
	if all.Missed != 0 {
		t.Error("the marker, which others share, was changed")
	}

	b.Push(1, []byte("b1"))
	a.Push(1, []byte("a1"))
	c.Push(1, []byte("c1"))
	r.Gap(ofA)
	wantEntries(t, drain(t, r), "reconnect/1 b1 c1")
	b.Push(1, []byte("b1"))
	a.Push(1, []byte("a1"))
	c.Push(1, []byte("c1"))
	r.Gap(ofA)
	a.Push(2, []byte("a2"))
	c.Push(2, []byte("c2"))
	wantEntries(t, drain(t, r), "reconnect/1 b1 c2 a2")

	r.Close(session.ErrUnsubscribed)
	a.Push(3, []byte("a3"))
	r.Gap(all)
	wantEntries(t, drain(t, r), "end: "+session.ErrUnsubscribed.Error())
}

// TestConflateIsRefusedForChanges whose loss would leave nothing to build on.
func TestConflateIsRefusedForChanges(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	s := dial(t, scripted(f))
	for _, name := range []string{"book.A.raw", "book.A.100ms", "incremental_ticker.A"} {
		_, err := s.Subscribe(t.Context(), session.SubscribeConfig{Policy: session.Conflate}, "ticker.A", name)
		if !errors.Is(err, session.ErrConfig) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	subscribe(t, s, session.SubscribeConfig{Policy: session.Conflate}, "ticker.A", "book.A.none.10.100ms")
	if n := f.count("public/subscribe"); n != 1 {
		t.Errorf("%d subscribes left", n)
	}
}

// TestConflateProperty compares with a map: what is taken is the newest of its channel since its last gap, and nothing is taken twice
// or lost in silence.
func TestConflateProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const channels = 4
		maxBytes := rapid.IntRange(20, 300).Draw(t, "bytes")
		r := session.NewRing(session.Conflate, channels, maxBytes)
		var names [channels]*session.RingChannel
		for i := range names {
			names[i] = r.Channel(strconv.Itoa(i))
		}
		newest := map[string]uint64{}
		pushed, taken, missed, outdated := uint64(0), uint64(0), uint64(0), uint64(0)
		take := func(t *rapid.T) bool {
			n, err, ok := r.TakeNow()
			if gap, isGap := errors.AsType[*session.GapError](err); isGap && ok {
				missed += gap.Missed
				return true
			}
			if !ok {
				return false
			}
			if got := binary.LittleEndian.Uint64(n.Data); got != newest[n.Channel] {
				t.Fatalf("took %d of channel %s, of which the newest is %d", got, n.Channel, newest[n.Channel])
			}
			delete(newest, n.Channel)
			taken++
			return true
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				i := rapid.IntRange(0, channels-1).Draw(t, "channel")
				data := make([]byte, rapid.IntRange(8, 60).Draw(t, "size"))
				pushed++
				binary.LittleEndian.PutUint64(data, pushed)
				newest[strconv.Itoa(i)] = pushed
				names[i].Push(1, data)
				clear(data)
			},
			"gap": func(t *rapid.T) {
				gap := &session.GapError{Reason: session.GapReconnect, Channel: rapid.SampledFrom([]string{"", "0", "1", "2"}).Draw(t, "channel")}
				before, _, _ := r.Held()
				r.Gap(gap)
				after, _, _ := r.Held()
				outdated += uint64(before - after)
				for name := range newest {
					if gap.Channel == "" || gap.Channel == name {
						delete(newest, name)
					}
				}
			},
			"take": func(t *rapid.T) { take(t) },
			"": func(t *rapid.T) {
				if entries, bytes, _ := r.Held(); entries > channels || bytes > maxBytes && entries > 1 {
					t.Fatalf("%d entries of %d bytes are held, of %d and %d", entries, bytes, channels, maxBytes)
				}
			},
		})
		for take(t) {
			continue
		}
		if len(newest) > 0 && missed <= outdated || missed < outdated {
			t.Fatalf("the newest of %d channels were lost, and %d dropped by gaps, with markers of %d", len(newest), outdated, missed)
		}
		if _, _, dropped := r.Held(); taken+dropped != pushed {
			t.Fatalf("%d were pushed, %d taken and %d counted as dropped", pushed, taken, dropped)
		}
	})
}

// small is the config of a stream with two places, or one for each channel where the policy says so.
func small(policy session.Policy) session.SubscribeConfig {
	if policy == session.Conflate {
		return session.SubscribeConfig{Policy: policy}
	}
	return session.SubscribeConfig{Policy: policy, Buffer: 2}
}

// TestStalledSubscriberDelaysNobody is promise I5 under each policy: one consumer has stopped, and another of the same
// channel has all that comes; so do calls their answers, at once.
// Asks: dcrdex#3501, BitMEX/api-connectors#449, solana-py#703, gocryptotrader#2337.
func TestStalledSubscriberDelaysNobody(t *testing.T) {
	t.Parallel()
	const n = 3000
	for name, policy := range map[string]session.Policy{
		"drop oldest": session.DropOldest, "fail": session.Fail, "conflate": session.Conflate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, nil)
				s := dial(t, scripted(f))
				stalled := subscribe(t, s, small(policy), "ticker.A")
				other := subscribe(t, s, session.SubscribeConfig{Buffer: n}, "ticker.A")
				for i := range n {
					f.last().notify("ticker.A", strconv.Itoa(i))
				}
				start := time.Now()
				if err := s.Call(t.Context(), "public/test", nil, nil); err != nil || time.Since(start) != 0 {
					t.Errorf("a call: %v after %v", err, time.Since(start))
				}
				if got := waiting(t, other); len(got) != n || got[n-1] != strconv.Itoa(n-1) {
					t.Errorf("the other has %d of %d notifications", len(got), n)
				}
				want := map[session.Policy]string{
					session.DropOldest: "overflow/2998 2998 2999", session.Fail: "0 1 overflow/1", session.Conflate: "2999",
				}
				wantEntries(t, waiting(t, stalled), want[policy])
			})
		})
	}
}
