package main_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	main "github.com/holdfast-ws/holdfast/internal/soak"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

// TestMain is the double too: the program starts itself as that.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == main.ServeArg {
		os.Exit(main.ServeStdio())
	}
	leaktest.Main(m)
}

// soak makes a run. Runs count the goroutines of the process, so that no two may be under way at once.
func soak(t *testing.T, m main.Mode, patience time.Duration) *main.Result {
	t.Helper()
	r, err := main.Run(m, t.Context(), main.Env{Dialer: leanws.Dialer{}, Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keeps fails the test if a run broke a promise, but for those of times: other tests run beside this one, on any machine.
func keeps(t *testing.T, m main.Mode, times ...string) {
	t.Helper()
	r := soak(t, m, 0)
	broken := r.Broken()
	if r.Kept != (len(broken) == 0) {
		t.Errorf("kept is %v with %d promises broken", r.Kept, len(broken))
	}
	if slices.ContainsFunc(broken, func(what string) bool { return !slices.Contains(times, what) }) {
		t.Errorf("broken: %v: %+v", broken, r)
	}
}

// breaks fails the test unless a run broke the promise of that name.
func breaks(t *testing.T, m main.Mode, what string) {
	t.Helper()
	isBroken(t, soak(t, m, 100*time.Millisecond), what)
}

func isBroken(t *testing.T, r *main.Result, what string) {
	t.Helper()
	if r.Kept || !slices.Contains(r.Broken(), what) {
		t.Errorf("%q was kept, broken are %v: %+v", what, r.Broken(), r)
	}
}

func TestCommand(t *testing.T) {
	for _, c := range []struct {
		args  string
		code  int
		wants string // in what is printed
	}{
		{"-rotations 3 -sessions 2", 0, "rotations of every session"},
		{"-rotations 1e0 -sessions 1 -in-process -transport coder -behaviour sockets-closed", 0, "connections-closed-after-reply"},
		{"", 2, "nothing to do"},
		{"-rotations -1", 2, "not a count"},
		{"-rotations 0.5", 2, "not a count"},
		{"-rotations 1 -sessions 0", 2, "-sessions"},
		{"-rotations 1 -subscribed 17", 2, "-subscribed"},
		{"-orders -chunk 0s", 2, "-chunk"},
		{"-calls 1 -cut 0", 2, "-cut"},
		{"-pair -for 0s", 2, "-for"},
		{"-losses 1 -messages 0", 2, "-messages"},
		{"-rotations 1 -transport pigeon", 2, "pigeon"},
		{"-rotations 1 more", 2, "more"},
		{"-h", 0, "Usage"},
	} {
		var out, errs strings.Builder
		code := main.Command(t.Context(), strings.Fields(c.args), main.Streams{Out: &out, Err: &errs})
		if code != c.code || !strings.Contains(out.String()+errs.String(), c.wants) {
			t.Errorf("%q: code %d, %s%s", c.args, code, &out, &errs)
		}
	}
}

func TestCommandPrintsJSON(t *testing.T) {
	var out, errs strings.Builder
	code := main.Command(t.Context(), strings.Fields("-rotations 3 -sessions 1 -json"), main.Streams{Out: &out, Err: &errs})
	var got main.Result
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatalf("code %d, %s: %v", code, &errs, err)
	}
	if code != 0 || !got.Kept || got.Mode != "rotations" || len(got.Figures) == 0 {
		t.Errorf("code %d: %+v", code, got)
	}
}
