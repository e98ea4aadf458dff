package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// asCommand has the test binary be the command: a run counts the goroutines of its process.
const asCommand = "ROTATION_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command runs the command in a process of its own, and returns what it prints.
func command(t *testing.T, args ...string) (stdout []byte, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err = cmd.Run()
	return out.Bytes(), complaints.String(), err
}

// TestFaults runs the command with each fault. What a fault costs is written down: every turn ends as it is to, the exchange gets
// as many resets as it is to, and the rest of the promises are kept as ever.
func TestFaults(t *testing.T) {
	t.Parallel()
	type end = turnResult
	clean := end{Trigger: rotate.TriggerRotate, Outcome: rotate.Rotated}
	after := end{Trigger: rotate.TriggerRecover, Outcome: rotate.Recovered}
	for _, c := range []struct {
		args   string
		resets int
		turns  []end
	}{
		{"-fault lost-reply", 2, []end{clean}},
		{"-fault lost-reply -transport lean -behaviour tokens-revoked", 2, []end{clean}},
		{"-fault lost-reply -transport coder -behaviour sockets-closed", 2, []end{clean}},
		{"-fault crash-after-reset", 2, []end{{Trigger: rotate.TriggerRotate, Outcome: rotate.Unfinished, Error: isUnknownOutcome}, after}},
		{"-fault store-full", 1, []end{clean}},
		{"-fault second-factor", 4, []end{clean}},
		{"-fault rate-limited", 1, []end{{Trigger: rotate.TriggerRotate, Outcome: rotate.Aborted, Error: isNotExecuted}, clean}},
		{"-fault foreign-reset", 2, []end{{Trigger: rotate.TriggerRotate, Outcome: rotate.LockedOut, Error: isForeignReset}, after}},
		{"-fault foreign-reset -take-back", 3, []end{clean}},
		{"-fault lost-reply -behaviour subscriptions-dropped", 2, []end{clean}},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			small := "-json -sessions 2 -channels 20 -callers 8 -rotations 3 -phase 50ms -pace 10ms "
			out, complaints, err := command(t, strings.Fields(small+c.args)...)
			if err != nil {
				t.Fatalf("%v: %s%s", err, complaints, out)
			}
			var found result
			if err := json.Unmarshal(out, &found); err != nil {
				t.Fatal(err)
			}
			f := found.Fault
			if !found.Kept || f == nil || f.Fired == 0 || f.Resets != c.resets || f.Rotation != 2 || f.Seconds <= 0 || len(f.Happened) == 0 {
				t.Fatalf("kept: %v; fault: %+v", found.Kept, f)
			}
			if found.SecretsSearched == 0 || found.SecretSightings != 0 {
				t.Errorf("%d of %d secrets were seen", found.SecretSightings, found.SecretsSearched)
			}
			same := func(got turnResult, want end) bool {
				return got.Trigger == want.Trigger && got.Outcome == want.Outcome && got.Error == want.Error && len(got.Steps) > 0
			}
			if !slices.EqualFunc(f.Turns, c.turns, same) {
				t.Errorf("turns: %+v, want %+v", f.Turns, c.turns)
			}
			// Two rotations met no fault.
			if len(found.Reports) != 2+len(c.turns) {
				t.Errorf("%d reports", len(found.Reports))
			}
		})
	}
}

// TestFaultNotFired: a run whose fault has not happened, or that a fault ends otherwise than it is to, keeps no promise.
func TestFaultNotFired(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*stage{
		"not played":      {},
		"not fired":       {fault: &faultResult{}},
		"another error":   {fault: &faultResult{Fired: 1}, turns: []turn{{rotate.Report{Outcome: rotate.Rotated}, errors.New("so"), rotated}}},
		"another outcome": {fault: &faultResult{Fired: 1}, turns: []turn{{rotate.Report{Outcome: rotate.Degraded}, nil, rotated}}},
		"no error":        {fault: &faultResult{Fired: 1}, turns: []turn{{rotate.Report{Outcome: rotate.Aborted}, nil, ending{rotate.Aborted, isNotExecuted}}}},
	} {
		s.opts = options{rotations: 1, fault: lostReply}
		if s.turns == nil {
			s.turns = []turn{{rotate.Report{Outcome: rotate.Rotated}, nil, rotated}}
		}
		found := &result{
			Calls: calls{OK: 9}, Orders: orders{Placed: 3}, Notifications: notifications{Received: 5},
			Spans: map[string]int{"credentials.rotate": 1}, SecretsSearched: 7,
		}
		if s.judge(found); found.Kept || len(found.Broken) != 1 {
			t.Errorf("%s: %v", name, found.Broken)
		}
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	unknown := &rotate.UnknownOutcomeError{Err: errors.New("so")}
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{unknown, isUnknownOutcome},
		{fmt.Errorf("%w: %w", rotate.ErrNotExecuted, unknown), isNotExecuted},
		{&rotate.LockedOutError{Err: errors.Join(rotate.ErrForeignReset, unknown)}, isForeignReset},
		{&rotate.LockedOutError{Err: unknown}, "*rotate.LockedOutError"},
		{&rotate.UnsavedError{Err: errFull}, "*rotate.UnsavedError"},
	} {
		if got := kindOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func TestFaultFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-fault flood":                   `-fault: "flood" is none of crash-after-reset, foreign-reset, lost-reply, rate-limited, second-factor, store-full`,
		"-fault lost-reply -rotations 1": "-rotations must be at least 2",
		"-fault lost-reply -take-back":   "goes with -fault foreign-reset",
		"-take-back":                     "goes with -fault foreign-reset",
	} {
		if _, err := parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
	for name := range faults {
		if opts, err := parse([]string{"-fault", name}); err != nil || opts.fault != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShows: the six digits of a code are told from a number that has them.
func TestShows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"code 123456": true, `"123456"`: true, "code=123456 next": true, "123456": true, "(123456)": true, "is 123456: no": true,
		"0.123456": false, `"duration":123456,`: false, "1234567": false, "took 123456.7µs": false, "numeric:123456": false,
	} {
		if shows(text, "123456") != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
	if !shows("xlongsecretx", "longsecret") || shows("longsecre", "longsecret") {
		t.Error("a secret that is no code")
	}
}

// TestPerson: a code is given once, but for the one time that the fault is; for the next one the person waits.
func TestPerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shown := strings.Fields("1 1 2 2 3")
		p := person{code: func() string {
			code := shown[0]
			shown = shown[1:]
			return code
		}}
		var given []string
		for i := range 4 {
			p.repeat.Store(i == 1)
			code, err := p.answer(t.Context(), rotate.Challenge{})
			if err != nil {
				t.Fatal(err)
			}
			given = append(given, code)
		}
		if got := strings.Join(given, " "); got != "1 1 2 3" || p.repeated.Load() != 1 {
			t.Errorf("codes %s, %d repeated", got, p.repeated.Load())
		}
	})
}

// TestReportOfAFault: what went wrong is on the page too.
func TestReportOfAFault(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "rotation.html")
	out, complaints, err := command(t, strings.Fields(
		"-fault rate-limited -sessions 1 -channels 10 -callers 4 -rotations 2 -phase 50ms -pace 10ms -report "+name)...)
	if err != nil {
		t.Fatalf("%v: %s%s", err, complaints, out)
	}
	page, err := os.ReadFile(name)
	if err != nil || !bytes.Contains(page, []byte(string(rotate.Aborted))) || !bytes.Contains(page, []byte("10028")) {
		t.Errorf("%d bytes: %v", len(page), err)
	}
	if !bytes.Contains(out, []byte("The quarantine is "+quarantine.String()+",")) || quarantine > 2*time.Second {
		t.Errorf("the account does not say how short the quarantine is: %s", out)
	}
}
