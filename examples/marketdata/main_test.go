package main

import (
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/orderbook"
	"github.com/holdfast-ws/holdfast/session"
)

// TestRun loses one connection after the other: nothing is missing, and who watches sees it.
func TestRun(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"-for", "5s", "-cut", "600ms", "-every", "500ms", "-json"})
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	r, err := run(t.Context(), opts, newProgress(&told))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Whole || r.Cuts < 3 || len(r.Channels) != 6 || r.Channels[0].Switches == 0 {
		t.Errorf("%+v", r)
	}
	for _, c := range r.Channels[:2] {
		if c.Compared == 0 {
			t.Errorf("%s was never held against the exchange's: %+v", c.Name, c)
		}
	}
	for _, want := range []string{
		`(?m)^\d\d:\d\d:\d\d [1-9]\d* messages, \d+\.\d/s, 0 gaps; [012] of 2 connections ready$`,
		`marketdata-\d (has lost its connection: .|has another connection)`,
		`marketdata-\d (is back after \d|has another connection)`,
	} {
		if !regexp.MustCompile(want).MatchString(told.String()) {
			t.Errorf("%s is not in\n%s", want, told.String())
		}
	}
	var out strings.Builder
	if err := opts.show(&out, r); err != nil || !json.Valid([]byte(out.String())) {
		t.Errorf("%s, %v", out.String(), err)
	}
}

// TestProgressTellsOfGaps names the channel, or that all are meant.
func TestProgressTellsOfGaps(t *testing.T) {
	t.Parallel()
	var told strings.Builder
	p := newProgress(&told)
	p.gap(&session.GapError{Reason: session.GapReconnect, Channel: "book.A.raw"})
	p.gap(&session.GapError{Reason: session.GapOverflow, Missed: 7})
	for _, want := range []string{"book.A.raw: session: gap (reconnect)", "all channels: session: gap (overflow): 7"} {
		if !strings.Contains(told.String(), want) || p.gaps.Load() != 2 {
			t.Errorf("%s is not in %d gaps:\n%s", want, p.gaps.Load(), told.String())
		}
	}
	var out, errs strings.Builder
	if (options{json: true}).told(&out, &errs) != &errs || (options{}).told(&out, &errs) != &out {
		t.Error("progress does not stay away from JSON, or goes another way than the table")
	}
}

// TestTallyFindsWhatIsMissing, or comes twice.
func TestTallyFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, last := range []string{`{"prev_change_id":3,"change_id":4}`, `{"prev_change_id":1,"change_id":2}`, `no JSON`} {
		seen := newTally(nil)
		for _, data := range []string{`{"change_id":1}`, `{"prev_change_id":1,"change_id":2}`, last} {
			seen.message(session.Notification{Channel: "book.A.raw", Data: json.RawMessage(data)})
		}
		if seen.broken["book.A.raw"] != 1 {
			t.Errorf("%s: %d broken", last, seen.broken["book.A.raw"])
		}
	}
	seen := newTally(nil)
	for _, data := range []string{`[{"trade_seq":7},{"trade_seq":8}]`, `[{"trade_seq":9}]`, `[{"trade_seq":11}]`} {
		seen.message(session.Notification{Channel: "trades.A.raw", Data: json.RawMessage(data)})
	}
	if seen.broken["trades.A.raw"] != 1 {
		t.Errorf("%d broken", seen.broken["trades.A.raw"])
	}
}

// TestBooksFindWhatIsWrong at the same change id, and compare nothing at another.
func TestBooksFindWhatIsWrong(t *testing.T) {
	t.Parallel()
	const name = "book.A.raw"
	snapshot := session.Notification{Channel: name, Data: json.RawMessage(
		`{"type":"snapshot","instrument_name":"A","change_id":5,"bids":[["new",1,10]],"asks":[["new",2,10]]}`)}
	for _, c := range []struct {
		id              int64
		amount          float64
		compared, wrong int
	}{{5, 10, 1, 0}, {5, 11, 1, 1}, {4, 11, 0, 0}, {6, 11, 0, 0}} {
		b := newBooks(nil)
		b.ahead[name] = orderbook.View{
			ChangeID: c.id, Bids: []orderbook.Level{{Price: 1, Amount: c.amount}}, Asks: []orderbook.Level{{Price: 2, Amount: 10}},
		}
		b.message(snapshot)
		if b.compared[name] != c.compared || b.wrong[name] != c.wrong {
			t.Errorf("%+v: compared %d, wrong %d", c, b.compared[name], b.wrong[name])
		}
	}
}

// TestOverflow has a consumer that is too slow at first: its books begin anew, and are right again.
func TestOverflow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := deribittest.NewMemoryListener()
		exchange := exchangetest.New(t, deribittest.Config{Listener: network, Tick: 10 * time.Millisecond})
		pair, err := session.DialGroup(t.Context(), session.GroupConfig{
			Config: session.Config{URL: exchange.URL(), NetDial: network.DialContext}, Copies: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer pair.Close(context.WithoutCancel(t.Context()))
		channels := []string{"book.BTC-PERPETUAL.100ms", "trades.BTC-PERPETUAL.100ms", "book.ETH-PERPETUAL.100ms"}
		sub, err := pair.Subscribe(t.Context(), session.SubscribeConfig{Buffer: 4}, channels...)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		seen := newTally(make(chan answer))
		if err := consume(ctx, sub, channels, seen, newProgress(io.Discard)); err != nil {
			t.Error(err)
		}
		for _, name := range channels {
			if book := seen.books.kept[name]; book != nil && book.State() != orderbook.Synced || seen.broken[name] > 0 || seen.books.wrong[name] > 0 {
				t.Errorf("%s: broken %d, wrong %d times: %+v", name, seen.broken[name], seen.books.wrong[name], book)
			}
		}
		// A snapshot that it asks for may come before it has taken what waits: then there is an overflow more.
		if seen.gaps[""] == 0 || len(seen.books.kept) != 2 {
			t.Errorf("gaps: %v, %d books", seen.gaps, len(seen.books.kept))
		}
	})
}
