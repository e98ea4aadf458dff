package htmlreport

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// view is a page as the templates want it: texts, and nothing to be computed.
type view struct {
	Title, Account string
	Rotations      []rotationView
	Overview       *figure
	Buckets        []bucketRow
	Gaps           []gapRow
}

type rotationView struct {
	Number         int
	Headline, Mood string
	Report         rotate.Report
	Started, Took  string
	Facts          []fact
	Figure         *figure
	Lanes, Plotted bool // what the figure has, for its legend
	Gapped         bool
	Phases         []phaseRow
	Steps          []stepRow
	Sessions       []sessionRow
	Buckets        []bucketRow
}

type fact struct{ Name, Value string }

type stepRow struct{ Kind, Offset, Took, Err string }

type phaseRow struct {
	Name           string
	Calls, Failed  int
	P50, P99, Most string
}

type bucketRow struct {
	phaseRow

	From string // in milliseconds since the first rotation, or since the rotation, began
}

type gapRow struct{ At, Offset, Session, Channel, Reason string }

func newView(p Page) view {
	calls := sorted(p.Calls)
	v := view{Title: p.Title, Account: p.Account}
	if v.Title == "" {
		v.Title = titleOf(p.Reports)
	}
	for i, r := range p.Reports {
		one := newRotationView(r, p.Gaps, calls)
		one.Number = i + 1
		one.Phases = phasesOf(p.Reports, i, calls)
		v.Rotations = append(v.Rotations, one)
	}
	base := p.Reports[0].Started
	if len(calls) > 0 {
		a := overviewAxis(p.Reports, calls)
		buckets := bucketsOf(calls, a, 120)
		v.Overview, v.Buckets = newOverview(p, a, buckets), bucketRows(buckets)
	}
	for _, g := range slices.SortedStableFunc(slices.Values(p.Gaps), func(a, b Gap) int { return a.At.Compare(b.At) }) {
		v.Gaps = append(v.Gaps, gapRow{clock(g.At), millis(g.At.Sub(base)), g.Session, g.Channel, g.Reason})
	}
	return v
}

func titleOf(reports []rotate.Report) string {
	keys := map[int64]bool{}
	for _, r := range reports {
		keys[r.KeyID] = true
	}
	if len(keys) > 1 {
		return fmt.Sprintf("%d rotations of %d keys", len(reports), len(keys))
	}
	return fmt.Sprintf("%s of key %d", count(len(reports), "rotation", "rotations"), reports[0].KeyID)
}

// overviewAxis spans all calls and rotations; calls are sorted.
func overviewAxis(reports []rotate.Report, calls []Call) axis {
	a := axis{base: reports[0].Started}
	from, to := a.seconds(calls[0].Started), a.seconds(calls[len(calls)-1].Started)
	for _, r := range reports {
		began := a.seconds(r.Started)
		from, to = min(from, began), max(to, began+r.Duration.Seconds())
	}
	return newAxis(a.base, from, to, 0)
}

func newRotationView(r rotate.Report, gaps []Gap, calls []Call) rotationView {
	a := axisOf(r)
	buckets := bucketsOf(calls, a, 60)
	v := rotationView{
		Headline: headline(r), Mood: mood(r.Outcome), Report: r, Took: millis(r.Duration), Facts: factsOf(r),
		Figure: newTimeline(r, a, buckets, gaps), Lanes: len(r.Sessions) > 0, Plotted: len(buckets) > 0, Buckets: bucketRows(buckets),
	}
	v.Gapped = slices.ContainsFunc(gaps, func(g Gap) bool { return a.shows(g.At) })
	if !r.Started.IsZero() {
		v.Started = clock(r.Started)
	}
	for _, s := range r.Steps {
		v.Steps = append(v.Steps, stepRow{string(s.Kind), millis(s.Started.Sub(r.Started)), millis(s.Duration), s.Err})
	}
	for _, s := range r.Sessions {
		v.Sessions = append(v.Sessions, newSessionRow(s, r.Started))
	}
	return v
}

// factsOf is what stands in large letters.
func factsOf(r rotate.Report) []fact {
	facts := []fact{{"outcome", string(r.Outcome)}, {"took", human(r.Duration)}}
	if r.NewGeneration != 0 {
		facts = append(facts, fact{"generation", fmt.Sprintf("%d → %d", r.OldGeneration, r.NewGeneration)})
	} else {
		facts = append(facts, fact{"generation", strconv.FormatUint(r.OldGeneration, 10)})
	}
	var channels, interrupted, failed int
	for _, s := range r.Sessions {
		channels += len(s.Channels)
		for _, c := range s.Channels {
			if !kept(c) {
				interrupted++
			}
		}
		if s.Err != "" {
			failed++
		}
	}
	return append(facts,
		fact{"sessions re-authenticated", fmt.Sprintf("%d of %d", len(r.Sessions)-failed, len(r.Sessions))},
		fact{"channels without a gap", fmt.Sprintf("%d of %d", channels-interrupted, channels)},
	)
}

// phasesOf is how long calls took before, during and after a rotation: as far as its neighbours; calls are sorted.
func phasesOf(reports []rotate.Report, i int, calls []Call) []phaseRow {
	if len(calls) == 0 {
		return nil
	}
	first, last := calls[0].Started, calls[len(calls)-1].Started.Add(1)
	if i > 0 {
		first = ended(reports[i-1])
	}
	if i+1 < len(reports) {
		last = reports[i+1].Started
	}
	return []phaseRow{
		newPhaseRow("before", summarise(between(calls, first, reports[i].Started))),
		newPhaseRow("during", summarise(between(calls, reports[i].Started, ended(reports[i])))),
		newPhaseRow("after", summarise(between(calls, ended(reports[i]), last))),
	}
}

func ended(r rotate.Report) time.Time { return r.Started.Add(r.Duration) }

func newPhaseRow(name string, s summary) phaseRow {
	row := phaseRow{Name: name, Calls: s.Calls, Failed: s.Failed}
	if s.answered() {
		row.P50, row.P99, row.Most = millis(s.P50), millis(s.P99), millis(s.Max)
	}
	return row
}

func bucketRows(buckets []bucket) []bucketRow {
	rows := make([]bucketRow, 0, len(buckets))
	for _, b := range buckets {
		rows = append(rows, bucketRow{newPhaseRow("", b.summary), strconv.FormatFloat(b.From*1000, 'f', 3, 64)})
	}
	return rows
}
