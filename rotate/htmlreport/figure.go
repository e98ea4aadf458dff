package htmlreport

import (
	"math"
	"strconv"
	"time"
)

// figure is a drawing, as figure.html writes it. What comes later lies above what came before, kind by kind.
type figure struct {
	Label         string
	Width, Height px
	Rects         []rect
	Lines         []line
	Paths         []path
	Marks         []mark
	Texts         []label
}

type rect struct {
	X, Y, W, H  px
	Class, Hint string
}

type line struct {
	X1, Y1, X2, Y2 px
	Class          string
}

type path struct{ D, Class string }

// mark is a lozenge around a point.
type mark struct {
	D, Class, Hint string
}

type label struct {
	X, Y        px
	Class, Text string
}

// px is a length in a drawing. A tenth is as fine as can be seen.
type px float64

// String is the length as SVG has it.
func (p px) String() string {
	return strconv.FormatFloat(math.Round(float64(p)*10)/10, 'f', -1, 64)
}

// The columns of a drawing: labels, the plot, figures.
const (
	figureWidth  = 1000.0
	plotLeft     = 152.0
	plotRight    = 838.0
	rightColumn  = plotRight + 10
	labelColumn  = plotLeft - 10
	markHalfSize = 5.0
)

func (f *figure) text(x, y float64, class, text string) {
	f.Texts = append(f.Texts, label{px(x), px(y), class, text})
}

func (f *figure) mark(x, y float64, hint string) {
	at := func(dx, dy float64) string { return px(x+dx).String() + " " + px(y+dy).String() }
	d := "M" + at(0, -markHalfSize) + "L" + at(markHalfSize, 0) + "L" + at(0, markHalfSize) + "L" + at(-markHalfSize, 0) + "Z"
	f.Marks = append(f.Marks, mark{D: d, Class: "gap", Hint: hint})
}

// band is where a bar lies, from top to bottom.
type band struct{ top, height float64 }

// bar draws a stretch of time; short ones stay visible.
func (f *figure) bar(x1, x2 float64, b band, class, hint string) {
	f.Rects = append(f.Rects, rect{px(x1), px(b.top), px(max(x2-x1, 2)), px(b.height), class, hint})
}

// axis maps time, in seconds since its base, to the width of the plot.
type axis struct {
	base     time.Time
	from, to float64
}

// newAxis leaves a margin on both sides of what happened.
func newAxis(base time.Time, from, to, margin float64) axis {
	width := max(to-from, 1e-6)
	return axis{base: base, from: from - margin*width, to: from + (1+margin)*width}
}

func (a axis) seconds(t time.Time) float64 { return t.Sub(a.base).Seconds() }

// x keeps what is outside at the edge.
func (a axis) x(seconds float64) float64 {
	share := (seconds - a.from) / (a.to - a.from)
	return plotLeft + min(max(share, 0), 1)*(plotRight-plotLeft)
}

func (a axis) shows(t time.Time) bool {
	s := a.seconds(t)
	return s >= a.from && s <= a.to
}

// ticks draws the axis's grid from top to bottom, and its labels below that.
func (a axis) ticks(f *figure, top, bottom float64) {
	step := nice((a.to - a.from) / 7)
	unit, name := 1.0, " s"
	switch {
	case step < 1e-3:
		unit, name = 1e-6, " µs"
	case step < 1:
		unit, name = 1e-3, " ms"
	}
	for i, last := math.Ceil(a.from/step)+0, math.Floor(a.to/step); i <= last; i++ { // +0: there is a -0
		x := a.x(i * step)
		class := "grid"
		if i == 0 {
			class = "zero"
		}
		f.Lines = append(f.Lines, line{px(x), px(top), px(x), px(bottom), class})
		f.text(x, bottom+17, "tick", strconv.FormatFloat(math.Round(i*step/unit), 'f', 0, 64)+name)
	}
}

// nice is the next larger of 1, 2 and 5 times a power of ten, at least a microsecond.
func nice(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(max(x, 1e-6))))
	for _, times := range []float64{1, 2, 5} {
		if times*power >= x {
			return times * power
		}
	}
	return 10 * power
}
