package htmlreport_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
	"github.com/holdfast-ws/holdfast/session"
)

// TestContinuity: what is said of a channel is what its counters prove.
func TestContinuity(t *testing.T) {
	t.Parallel()
	live := session.ChannelStats{Channel: "c", Notifications: 5}
	book := session.ChannelStats{Channel: "c", Notifications: 5, Snapshots: 1, LastChangeID: 9}
	for name, c := range map[string]struct {
		report rotate.ChannelReport
		want   string
		kept   bool
	}{
		"a book": {
			rotate.ChannelReport{Before: book, After: book, Confirmed: true}, "chain of change ids unbroken; confirmed by the exchange", true,
		},
		"a ticker": {
			rotate.ChannelReport{Before: live, After: live, Note: "public: needs no authentication"},
			"no connection lost; public: needs no authentication", true,
		},
		"a gap": {
			rotate.ChannelReport{Before: live, After: live, Gaps: 1, Confirmed: true}, "1 gap announced; since then confirmed by the exchange", false,
		},
		"gaps":           {rotate.ChannelReport{Before: book, After: book, Gaps: 2, Breaks: 2}, "2 gaps announced", false},
		"a broken chain": {rotate.ChannelReport{Before: book, After: book, Breaks: 1}, "chain of change ids broken", false},
		"gone":           {rotate.ChannelReport{Before: book, Note: "no longer subscribed to"}, "no longer subscribed to", false},
	} {
		s := rotate.SessionReport{Name: "s", Channels: []rotate.ChannelReport{c.report}}
		page := write(t, htmlreport.Page{Reports: []rotate.Report{{Sessions: []rotate.SessionReport{s}}}})
		cell, summary, fact := "<td>", "1, none interrupted", "<dd>1 of 1</dd></div>\n</dl>"
		if !c.kept {
			cell, summary, fact = `<td class="why">`, "1, 1 interrupted", "<dd>0 of 1</dd></div>\n</dl>"
		}
		for _, want := range []string{cell + c.want + "</td>", summary, fact} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: no %q", name, want)
			}
		}
		if strings.Contains(page, "184467440737095516") {
			t.Errorf("%s: messages before nothing", name)
		}
		if strings.Contains(page, `<details open="open">`) == c.kept {
			t.Errorf("%s: what was interrupted is open to the reader, what was not is not", name)
		}
	}
}

// TestPhases: every call is before, during or after a rotation, as far as its neighbours.
func TestPhases(t *testing.T) {
	t.Parallel()
	p := htmlreport.Page{Reports: []rotate.Report{{Started: noon, Duration: 10 * ms}, {Started: noon.Add(100 * ms), Duration: 10 * ms}}}
	for _, at := range []int{-1, 0, 9, 10, 99, 100, 109, 110, 111} {
		p.Calls = append(p.Calls, htmlreport.Call{Started: noon.Add(time.Duration(at) * ms), Took: ms, Failed: at == 109})
	}
	page := write(t, p)
	for _, want := range []string{
		row("before", "1", "0", "1.000") + row("during", "2", "0", "1.000") + row("after", "2", "0", "1.000"),
		row("before", "2", "0", "1.000") + row("during", "2", "1", "1.000") + row("after", "2", "0", "1.000"),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no\n%s", want)
		}
	}
	p.Calls = []htmlreport.Call{{Started: noon, Took: ms, Failed: true}}
	p.Reports[0].Steps = []rotate.StepReport{{Kind: rotate.StepReset, Started: noon, Duration: ms}}
	page = write(t, p)
	for want, n := range map[string]int{">no call was answered</text>": 2, "<title>1 of 1 calls failed</title>": 2, row("during", "1", "1", ""): 1} {
		if got := strings.Count(page, want); got != n {
			t.Errorf("%d times %q, want %d", got, want, n)
		}
	}
}

// row is a phase of calls that all took as long.
func row(phase, calls, failed, took string) string {
	cell := func(s string) string { return `<td class="n">` + s + "</td>" }
	return "<tr><td>" + phase + "</td>" + cell(calls) + cell(failed) + cell(took) + cell(took) + cell(took) + "</tr>\n"
}

// TestLanes: a lane's end is what the session is authenticated with, if it is at all.
func TestLanes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		report     rotate.Report
		generation uint64
		err, ends  string
	}{
		"took the new secret":            {rotate.Report{OldGeneration: 1, NewGeneration: 2}, 2, "", "new"},
		"took one that is newer still":   {rotate.Report{OldGeneration: 1, NewGeneration: 2}, 3, "", "new"},
		"did not":                        {rotate.Report{OldGeneration: 1, NewGeneration: 2}, 1, "refused", "old"},
		"did, and failed after that":     {rotate.Report{OldGeneration: 1, NewGeneration: 2}, 2, "not confirmed", "new"},
		"has no connection":              {rotate.Report{OldGeneration: 1, NewGeneration: 2}, 0, "lost", ""},
		"there was no new secret to use": {rotate.Report{OldGeneration: 1}, 1, "", "old"},
	} {
		r := c.report
		r.Started, r.Duration = noon, 10*ms
		r.Sessions = []rotate.SessionReport{{Name: "s", Started: noon.Add(ms), Duration: ms, Generation: c.generation, Err: c.err}}
		page := write(t, htmlreport.Page{Reports: []rotate.Report{r}})
		lane := strings.Split(page, `class="old"><title>s: generation 1</title></rect>`)
		want := 1
		if c.ends == "old" {
			want = 2
		}
		if len(lane)-1 != want || strings.Contains(page, `class="new"><title>s: generation`) != (c.ends == "new") {
			t.Errorf("%s: it ends as %q", name, c.ends)
		}
		if failed := strings.Contains(page, `class="fail"><title>s: failed after 1.00 ms `+c.err); failed != (c.err != "") {
			t.Errorf("%s: failed: %v", name, failed)
		}
	}
}

// TestManyOf: a step that was taken twice has one row, and titles count.
func TestManyOf(t *testing.T) {
	t.Parallel()
	step := rotate.StepReport{Kind: rotate.StepReset, Started: noon, Duration: 2 * ms}
	again := rotate.StepReport{Kind: rotate.StepReset, Started: noon.Add(5 * ms), Duration: 3 * ms}
	one := rotate.Report{KeyID: 3, Started: noon, Duration: 9 * ms, Steps: []rotate.StepReport{step, again}}
	other := rotate.Report{KeyID: 4, Started: noon.Add(ms)}
	for want, p := range map[string]htmlreport.Page{
		"<h1>1 rotation of key 3</h1>":    {Reports: []rotate.Report{one}},
		"<h1>2 rotations of key 3</h1>":   {Reports: []rotate.Report{one, one}},
		"<h1>2 rotations of 2 keys</h1>":  {Reports: []rotate.Report{one, other}},
		"<h1>by hand</h1>":                {Title: "by hand", Reports: []rotate.Report{one}},
		`class="note">5.00 ms in 2</text`: {Reports: []rotate.Report{one}},
	} {
		if page := write(t, p); !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
}
