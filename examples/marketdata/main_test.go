package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestRun loses one connection after the other: nothing is missing.
func TestRun(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"-for", "3s", "-cut", "600ms", "-json"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Whole || r.Cuts < 3 || len(r.Channels) != 6 || r.Channels[0].Switches == 0 {
		t.Errorf("%+v", r)
	}
	var out strings.Builder
	if err := opts.show(&out, r); err != nil || !json.Valid([]byte(out.String())) {
		t.Errorf("%s, %v", out.String(), err)
	}
}

// TestTallyFindsWhatIsMissing, or comes twice.
func TestTallyFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, last := range []string{`{"prev_change_id":3,"change_id":4}`, `{"prev_change_id":1,"change_id":2}`, `no JSON`} {
		seen := newTally()
		for _, data := range []string{`{"change_id":1}`, `{"prev_change_id":1,"change_id":2}`, last} {
			seen.message(session.Notification{Channel: "book.A.raw", Data: json.RawMessage(data)})
		}
		if seen.broken["book.A.raw"] != 1 {
			t.Errorf("%s: %d broken", last, seen.broken["book.A.raw"])
		}
	}
	seen := newTally()
	for _, data := range []string{`[{"trade_seq":7},{"trade_seq":8}]`, `[{"trade_seq":9}]`, `[{"trade_seq":11}]`} {
		seen.message(session.Notification{Channel: "trades.A.raw", Data: json.RawMessage(data)})
	}
	if seen.broken["trades.A.raw"] != 1 {
		t.Errorf("%d broken", seen.broken["trades.A.raw"])
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"-for", "1s", "SOL_USDC-PERPETUAL"})
	if err != nil || opts.run != time.Second || len(opts.instruments) != 1 || opts.interval != "raw" {
		t.Errorf("%+v, %v", opts, err)
	}
	for _, wrong := range []string{"-for=0s", "-cut=-1s", "-nothing"} {
		if _, err := parse([]string{wrong}); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}
