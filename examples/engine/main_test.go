package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRun quotes over a reconnect and a loss: nothing is sent twice, and the engine knows what has become of each order. A gate that looks
// late may see nothing of a short stop: then what the loss has cancelled shows it. Who watches sees the rest.
func TestRun(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"-for", "3s", "-every", "500ms", "-json"})
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	r, err := run(t.Context(), opts, &told)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Kept || r.Connections != 3 || r.Stops > 1 || r.Placed < 50 || r.Gone == 0 || r.UnknownPlaced != 1 {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{
		`(?m)^\d\d:\d\d:\d\d [1-9]\d* placed, \d+ cancelled, \d+ resting, 0 refused, \d+ not sent, \d+ unknown$`,
		`quoting over connection 1\n`,
		`quoting (on, )?over connection 2\n`,
		`quote-\w+-\d+: it may have been placed: .`,
		`quote-\w+-\d+: it was placed, and is \w+\n`,
	} {
		if !regexp.MustCompile(want).MatchString(told.String()) {
			t.Errorf("%s is not in\n%s", want, told.String())
		}
	}
	if strings.Contains(told.String(), "halted: ") != (r.Stops > 0) {
		t.Errorf("%d stops in\n%s", r.Stops, told.String())
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
	var out, errs strings.Builder
	if (options{json: true}).told(&out, &errs) != &errs || (options{}).told(&out, &errs) != &out {
		t.Error("progress does not stay away from JSON, or goes another way than the table")
	}
	for _, wrong := range []string{"-for=0s", "-every=0s", "-nothing", "argument"} {
		if _, err := parse([]string{wrong}); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}
