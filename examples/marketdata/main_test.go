package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/orderbook"
	"github.com/holdfast-ws/holdfast/session"
)

// TestRun loses one connection after the other: nothing is missing, and who watches sees it.
func TestRun(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"-for", "3s", "-cut", "600ms", "-every", "500ms", "-json"})
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
