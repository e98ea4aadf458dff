package main

import (
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// drop is how far a row's dots are below its middle, in points: above is room for a number.
const drop = 4

// panel draws the rows of a picture, the first one on top.
type panel struct {
	picture picture
	lines   []dots
}

// Plot implements plot.Plotter.
func (p panel) Plot(c draw.Canvas, chart *plot.Plot) {
	x, y := chart.Transforms(&c)
	for i := 0; i < len(p.lines); i += 2 {
		low, high := y(p.height(i)-0.5), y(p.height(i)+0.5)
		c.FillPolygon(stripe, []vg.Point{{X: c.Min.X, Y: low}, {X: c.Max.X, Y: low}, {X: c.Max.X, Y: high}, {X: c.Min.X, Y: high}})
	}
	if p.picture.one != "" {
		c.StrokeLine2(draw.LineStyle{Color: grey, Width: 1, Dashes: []vg.Length{3, 3}}, x(1), c.Min.Y, x(1), c.Max.Y)
		label := p.textStyle(chart, grey)
		label.YAlign = text.YBottom
		c.FillText(label, vg.Point{X: x(1), Y: c.Max.Y + 1}, p.picture.one)
	}
	for i, line := range p.lines {
		at := y(p.height(i))
		if line.target > 0 {
			c.StrokeLine2(draw.LineStyle{Color: green, Width: 2.5}, x(line.target), at-drop-6, x(line.target), at-drop+6)
		}
		for j, s := range line.spreads {
			p.dot(c, chart, mark{i, j, vg.Point{X: x(s.median), Y: at - drop}, [4]vg.Length{x(s.least), x(s.lower), x(s.upper), x(s.most)}})
		}
	}
}

// height is where row i is on the axis.
func (p panel) height(i int) float64 { return float64(len(p.lines) - 1 - i) }

// mark is where the dot of a row's unit is.
type mark struct {
	row, unit int
	at        vg.Point
	ends      [4]vg.Length // of the thin line and of the thick one, from left to right
}

// dot draws a mark and writes its median: above, or where a row has several, the first one's to the left and the last
// one's to the right.
func (p panel) dot(c draw.Canvas, chart *plot.Plot, m mark) {
	line, at, ends := p.lines[m.row], m.at, m.ends
	ink := inks[m.unit%len(inks)]
	if line.dim {
		ink = grey
	}
	c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1}, ends[0], at.Y, ends[3], at.Y)
	c.StrokeLine2(draw.LineStyle{Color: ink, Width: 3}, ends[1], at.Y, ends[2], at.Y)
	c.DrawGlyphNoClip(draw.GlyphStyle{Color: ink, Radius: 3, Shape: draw.CircleGlyph{}}, at)
	said := number(line.spreads[m.unit].median)
	last := len(line.spreads) - 1
	if m.row == 0 && last > 0 {
		said = unitName(p.picture.units[m.unit]) + ": " + said
	}
	style := p.textStyle(chart, ink)
	switch {
	case last > 0 && m.unit == 0:
		style.XAlign, style.YAlign = text.XRight, text.YCenter
		at.X = ends[0] - 5
	case last > 0 && m.unit == last:
		style.XAlign, style.YAlign = text.XLeft, text.YCenter
		at.X = ends[3] + 5
	default:
		style.YAlign = text.YBottom
		at.Y += 3.5
	}
	c.FillText(style, at, said)
}

func (p panel) textStyle(chart *plot.Plot, ink color.Color) text.Style {
	style := chart.X.Tick.Label
	style.Font.Size = 8.5
	style.Color = ink
	style.XAlign = text.XCenter
	return style
}

// unitName is how a unit is called in pictures and tables.
func unitName(unit string) string {
	name := strings.ReplaceAll(unit, "p999", "p99.9")
	name = strings.ReplaceAll(name, "-us", "")
	return strings.ReplaceAll(name, "alone-", "alone ")
}
