package main

import (
	"bytes"
	"cmp"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	width     = 18 * vg.Centimeter
	rowHeight = 0.75 * vg.Centimeter
	frame     = 3.3 * vg.Centimeter // what title, axis and caption take of the height
	margin    = 10                  // on all sides, in points
	caption   = 22                  // the height of the caption below the axis
	sans      = "Liberation Sans"
	logFrom   = 6 // times the least value: from there on the axis is logarithmic
)

var (
	inks   = []color.Color{rgb(0x1f, 0x5f, 0xa8), rgb(0xc7, 0x6b, 0x00), rgb(0xa8, 0x1f, 0x4e)}
	green  = rgb(0x1a, 0x86, 0x3d)
	grey   = rgb(0x60, 0x60, 0x60)
	stripe = rgb(0xf3, 0xf4, 0xf6)
)

func rgb(r, g, b uint8) color.Color { return color.NRGBA{r, g, b, 0xff} }

// dots is what a picture shows of a row.
type dots struct {
	label   string
	spreads []spread // by the picture's units
	target  float64  // 0 for none
	dim     bool     // it is there for comparison
}

// linesOf returns what p shows of the rows.
func (t topic) linesOf(p picture, all []*row) []dots {
	var shown []*row
	for _, r := range all {
		if r.benchmark == t.benchmark && r.has(p.where) && len(r.values[p.units[0]]) > 0 {
			shown = append(shown, r)
		}
	}
	slices.SortStableFunc(shown, func(a, b *row) int { return cmp.Compare(a.number(p.group), b.number(p.group)) })
	lines := make([]dots, len(shown))
	for i, r := range shown {
		lines[i] = dots{label: r.label(p.where, p.group), spreads: p.spreads(r), dim: !strings.Contains(r.name(), p.ours)}
		if p.units[0] == t.columns[0] {
			lines[i].target, _ = t.targetOf(r)
		}
	}
	return lines
}

func (p picture) spreads(r *row) []spread {
	scale := p.scale
	if scale == 0 {
		scale = 1
	}
	var all []spread
	for _, unit := range p.units {
		if values := r.values[unit]; len(values) > 0 {
			all = append(all, spreadOf(values).times(scale))
		}
	}
	return all
}

// drawPictures writes an SVG into dir for each picture that the results have rows for.
func drawPictures(r *results, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	for _, t := range topics {
		for _, p := range t.pictures {
			lines := t.linesOf(p, r.rows)
			if len(lines) == 0 {
				continue
			}
			svg, err := p.draw(lines)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, p.file+".svg"), svg, 0o644); err != nil { //nolint:gosec // for everybody to read
				return err
			}
		}
	}
	return nil
}

// draw returns the picture as SVG.
func (p picture) draw(lines []dots) ([]byte, error) {
	chart := plot.New()
	style(chart)
	chart.Title.Text = p.title
	chart.X.Label.Text = p.axis
	names := make([]string, len(lines))
	for i, line := range lines {
		names[len(lines)-1-i] = line.label // the axis goes up, the rows go down
	}
	chart.NominalY(names...)
	chart.Y.Padding = 0
	chart.X.Min, chart.X.Max = p.bounds(lines)
	chart.Y.Min, chart.Y.Max = -0.5, float64(len(lines))-0.5
	chart.X.Tick.Marker = plot.TickerFunc(linearTicks)
	if chart.X.Max > logFrom*chart.X.Min && chart.X.Min > 0 {
		chart.X.Scale = plot.LogScale{}
		chart.X.Tick.Marker = plot.TickerFunc(logTicks)
	}
	chart.Add(panel{p, lines})
	canvas := vgsvg.New(width, frame+rowHeight*vg.Length(len(lines)))
	page := draw.Crop(draw.New(canvas), margin, -2*margin, margin, -margin)
	page.FillText(captionStyle(chart), vg.Point{X: page.Max.X, Y: page.Min.Y}, legend(lines))
	chart.Draw(draw.Crop(page, 0, 0, caption, 0))
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(svg.Bytes(), []byte(":"+sans+";"), []byte(":"+sans+",Arial,Helvetica,sans-serif;")), nil
}

func style(chart *plot.Plot) {
	face := font.Font{Typeface: "Liberation", Variant: "Sans"}
	size := func(style *text.Style, points vg.Length) {
		style.Font = face
		style.Font.Size = points
	}
	size(&chart.Title.TextStyle, 14)
	size(&chart.X.Label.TextStyle, 10)
	size(&chart.X.Tick.Label, 10)
	size(&chart.Y.Tick.Label, 10)
	chart.X.Label.TextStyle.Color = grey
	chart.Title.Padding = 8
	chart.X.Padding = 2
	chart.Y.LineStyle.Width = 0
}

func captionStyle(chart *plot.Plot) text.Style {
	style := chart.X.Label.TextStyle
	style.Font.Size = 8.5
	style.XAlign = text.XRight
	return style
}

// legend says what the marks mean.
func legend(lines []dots) string {
	most, targets := 0, false
	for _, line := range lines {
		most = max(most, line.spreads[0].runs)
		targets = targets || line.target > 0
	}
	said := "dot: median of " + strconv.Itoa(most) + " runs; thick: the middle half of them; thin: all"
	if most == 1 {
		said = "dot: one run"
	}
	if targets {
		said += "; green: target"
	}
	return said
}

// bounds returns what the axis must show, with some air.
func (p picture) bounds(lines []dots) (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	see := func(x float64) { least, most = min(least, x), max(most, x) }
	for _, line := range lines {
		for _, s := range line.spreads {
			see(s.least)
			see(s.most)
		}
		if line.target > 0 {
			see(line.target)
		}
	}
	if p.one != "" {
		see(1)
	}
	if most > logFrom*least && least > 0 {
		air := 1.15
		if len(p.units) > 1 {
			air = math.Pow(most/least, 0.2) // for the numbers on both sides
		}
		return least / air, most * air
	}
	if most == 0 {
		return 0, 1
	}
	air := max((most-least)*0.06, most*0.01)
	if p.one == "" {
		return 0, most + air
	}
	return max(0, least-air), most + air
}

// logTicks are 1, 2 and 5 times the powers of ten, or 1 and 3 times where these would be too many, each with its number.
func logTicks(least, most float64) []plot.Tick {
	digits := []float64{1, 2, 5}
	if most > 150*least {
		digits = []float64{1, 3}
	}
	var ticks []plot.Tick
	for power := math.Pow(10, math.Floor(math.Log10(least))); power <= most; power *= 10 {
		for _, digit := range digits {
			if x := digit * power; x >= least && x <= most {
				ticks = append(ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'g', 6, 64)})
			}
		}
	}
	return ticks
}

// linearTicks are four to eight round numbers.
func linearTicks(least, most float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10(most-least)))
	for _, finer := range []float64{0.5, 0.4, 0.5} { // 5, 2, 1 times the power of ten below
		if (most-least)/step < 4 {
			step *= finer
		}
	}
	var ticks []plot.Tick
	for i := math.Ceil(least / step); i*step <= most; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'g', 6, 64)})
	}
	return ticks
}
