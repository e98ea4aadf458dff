package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestRun quotes over a reconnect and a loss: nothing is sent twice, and the engine knows what has become of each order. A gate that looks
// late may see nothing of a short stop: then what the loss has cancelled shows it.
func TestRun(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"-for", "3s", "-json"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Kept || r.Connections != 3 || r.Stops > 1 || r.Placed < 50 || r.Gone == 0 || r.UnknownPlaced != 1 {
		t.Errorf("%+v", r)
	}
	var out strings.Builder
	if err := opts.show(&out, r); err != nil || !json.Valid([]byte(out.String())) {
		t.Errorf("%s, %v", out.String(), err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	if opts, err := parse([]string{"-for", "2s"}); err != nil || opts.run != 2*time.Second || opts.json {
		t.Errorf("%+v, %v", opts, err)
	}
	for _, wrong := range []string{"-for=0s", "-nothing", "argument"} {
		if _, err := parse([]string{wrong}); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}
