package htmlreport

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// The heights of a drawing.
const (
	rowHeight     = 22.0
	barHeight     = 12.0
	headHeight    = 26.0
	footHeight    = 28.0
	latencyHeight = 150.0
)

// timeline draws one rotation: steps, sessions and calls, one below the other, over the same axis.
type timeline struct {
	figure

	report rotate.Report
	axis   axis
	y      float64 // where the next row goes
}

// axisOf shows all that a report tells of, with a margin before and after it.
func axisOf(r rotate.Report) axis {
	a := axis{base: r.Started}
	from, to := 0.0, r.Duration.Seconds()
	extend := func(started time.Time, took time.Duration) {
		from, to = min(from, a.seconds(started)), max(to, a.seconds(started)+took.Seconds())
	}
	for _, s := range r.Steps {
		extend(s.Started, s.Duration)
	}
	for _, s := range r.Sessions {
		extend(s.Started, s.Duration)
	}
	return newAxis(r.Started, from, to, 0.25)
}

// newTimeline returns nil for a report of nothing. Without calls it has no latencies.
func newTimeline(r rotate.Report, a axis, buckets []bucket, gaps []Gap) *figure {
	if len(r.Steps)+len(r.Sessions) == 0 {
		return nil
	}
	t := &timeline{report: r, axis: a}
	t.Label = fmt.Sprintf("Timeline of the rotation: %d steps and %d sessions over %s", len(r.Steps), len(r.Sessions), human(r.Duration))
	t.shade()
	t.steps()
	t.sessions(gaps)
	if len(buckets) > 0 {
		t.head("Calls")
		t.y += rowHeight / 2 // the scale's uppermost label lies on its line
		for _, g := range gaps {
			if a.shows(g.At) {
				x := px(a.x(a.seconds(g.At)))
				t.Lines = append(t.Lines, line{x, px(t.y), x, px(t.y + latencyHeight), "gapline"})
			}
		}
		t.latencies(buckets, a, t.y, t.y+latencyHeight)
		t.y += latencyHeight
	}
	t.axis.ticks(&t.figure, 0, t.y)
	t.Rects[0].H = px(t.y)
	t.Width, t.Height = figureWidth, px(t.y+footHeight)
	return &t.figure
}

// shade is the rotation, over the whole height.
func (t *timeline) shade() {
	t.bar(t.axis.x(0), t.axis.x(t.report.Duration.Seconds()), band{}, "shade", "the rotation: "+human(t.report.Duration))
}

func (t *timeline) head(text string) {
	t.text(labelColumn, t.y+18, "head", text)
	t.y += headHeight
}

// row begins a row, and returns where its bars lie.
func (t *timeline) row(name, note, class string) band {
	t.text(labelColumn, t.y+15, "name", shorten(name))
	t.text(rightColumn, t.y+15, class, note)
	b := band{t.y + (rowHeight-barHeight)/2, barHeight}
	t.y += rowHeight
	return b
}

// steps has a row for each kind: a step may have been taken more than once.
func (t *timeline) steps() {
	if len(t.report.Steps) == 0 {
		return
	}
	t.head("Steps")
	var kinds []rotate.StepKind
	for _, s := range t.report.Steps {
		if !slices.Contains(kinds, s.Kind) {
			kinds = append(kinds, s.Kind)
		}
	}
	for _, kind := range kinds {
		t.stepsOf(kind)
	}
}

func (t *timeline) stepsOf(kind rotate.StepKind) {
	var total time.Duration
	var taken []rotate.StepReport
	class := "note"
	for _, s := range t.report.Steps {
		if s.Kind != kind {
			continue
		}
		total += s.Duration
		taken = append(taken, s)
		if s.Err != "" {
			class = "note wrong"
		}
	}
	note := human(total)
	if len(taken) > 1 {
		note += fmt.Sprintf(" in %d", len(taken))
	}
	in := t.row(string(kind), note, class)
	for _, s := range taken {
		began := t.axis.seconds(s.Started)
		bar, hint := "step", fmt.Sprintf("%s: %s", s.Kind, human(s.Duration))
		if s.Err != "" {
			bar, hint = "fail", hint+": "+s.Err
		}
		t.bar(t.axis.x(began), t.axis.x(began+s.Duration.Seconds()), in, bar, hint)
	}
}

// sessions has a lane for each.
func (t *timeline) sessions(gaps []Gap) {
	if len(t.report.Sessions) == 0 {
		return
	}
	t.head("Sessions")
	for _, s := range t.report.Sessions {
		t.lane(s, gaps)
	}
}

func (t *timeline) lane(s rotate.SessionReport, gaps []Gap) {
	began := t.axis.seconds(s.Started)
	x1, x2 := t.axis.x(began), t.axis.x(began+s.Duration.Seconds())
	busy, note, class := "busy", human(s.Duration)+wave(s.Wave), "note"
	if s.Err != "" {
		busy, note, class = "fail", "failed after "+human(s.Duration), "note wrong"
	}
	in := t.row(s.Name, note, class)
	t.bar(plotLeft, x1, in, "old", fmt.Sprintf("%s: generation %d", s.Name, t.report.OldGeneration))
	if after := t.after(s); after != "" {
		t.bar(x2, plotRight, in, after, fmt.Sprintf("%s: generation %d", s.Name, s.Generation))
	}
	t.bar(x1, x2, in, busy, fmt.Sprintf("%s: %s %s", s.Name, note, s.Err))
	for _, g := range gaps {
		if g.Session == s.Name && t.axis.shows(g.At) {
			t.mark(t.axis.x(t.axis.seconds(g.At)), in.top+in.height/2, fmt.Sprintf("gap: %s %s", g.Reason, g.Channel))
		}
	}
}

// after is the class of a lane's end: what the session is authenticated with, if it is at all.
func (t *timeline) after(s rotate.SessionReport) string {
	switch {
	case s.Generation == 0:
		return ""
	case t.report.NewGeneration != 0 && s.Generation >= t.report.NewGeneration:
		return "new"
	}
	return "old"
}

func wave(n int) string {
	if n == 0 {
		return ", canary"
	}
	return fmt.Sprintf(", wave %d", n)
}

// newOverview draws the calls of the whole run, with all its rotations.
func newOverview(p Page, a axis, buckets []bucket) *figure {
	const top, bottom = 22.0, 22.0 + latencyHeight
	f := &figure{Label: "Latency of calls over the whole run", Width: figureWidth, Height: bottom + footHeight}
	labelled := 0.0
	for i, r := range p.Reports {
		began := a.seconds(r.Started)
		x1, x2 := a.x(began), a.x(began+r.Duration.Seconds())
		f.bar(x1, x2, band{top, bottom - top}, "shade deep", fmt.Sprintf("rotation %d: %s", i+1, human(r.Duration)))
		if middle := (x1 + x2) / 2; middle-labelled > 24 {
			f.text(middle, top-7, "number", fmt.Sprintf("#%d", i+1))
			labelled = middle
		}
	}
	f.latencies(buckets, a, top, bottom)
	for _, g := range p.Gaps {
		if a.shows(g.At) {
			f.mark(a.x(a.seconds(g.At)), bottom, fmt.Sprintf("gap of %s: %s %s", g.Session, g.Reason, g.Channel))
		}
	}
	a.ticks(f, top, bottom)
	return f
}
