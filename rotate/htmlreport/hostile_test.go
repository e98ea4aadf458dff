package htmlreport_test

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
	"github.com/holdfast-ws/holdfast/session"
)

// saying is a page all of whose texts are s.
func saying(s string) htmlreport.Page {
	stats := session.ChannelStats{Channel: s, Epoch: 1}
	return htmlreport.Page{
		Title: s, Account: s,
		Reports: []rotate.Report{{
			ID: s, Trigger: rotate.Trigger(s), Outcome: rotate.Outcome(s), Err: s, ClientID: s, OldFingerprint: s, NewFingerprint: s,
			NewGeneration: 2, Started: noon, Duration: 5 * ms,
			Steps: []rotate.StepReport{{Kind: rotate.StepKind(s), Started: noon, Duration: ms, Err: s}},
			Sessions: []rotate.SessionReport{{
				Name: s, Started: noon, Duration: ms, Err: s,
				Channels: []rotate.ChannelReport{{Channel: s, Before: stats, After: stats, Note: s}},
			}},
		}},
		Calls: []htmlreport.Call{{Started: noon.Add(ms), Took: ms}},
		Gaps:  []htmlreport.Gap{{At: noon.Add(ms), Session: s, Channel: s, Reason: s}},
	}
}

// shown is what a text looks like on the page.
func shown(s string) string { return strings.Map(htmlreport.Visible, s) }

// FuzzTexts: whatever a text says, it is only text. The page has the same elements with the same attributes as one of harmless
// texts, it shows each text in its place, and is XML.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{
		"session-1", `<script>alert(1)</script>`, `"><svg onload=alert(1)>`, `' onmouseover='alert(1)`, `</style><img src=x>`, `</title>`,
		`{{.}}`, `&lt;&#60;&amp`, "a\x00b\x1b[31m\u202Egnp\u200b", "\xff\xfe", "]]>", "<!--", "line\nline\r\n\ttab", `javascript:alert(1)`,
		strings.Repeat("long", 200), "日本語のセッション名は幅が広い", "\uFFFE\uFFFF", "\U0010FFFF", "–", " ",
	} {
		f.Add(s)
	}
	var harmless []string
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || len(s) > 1<<12 {
			return // what is empty may leave its place out
		}
		if harmless == nil {
			harmless, _ = dissect(t, write(t, saying("harmless")), "")
		}
		bones, says := dissect(t, write(t, saying(s)), shown(s))
		if !slices.Equal(bones, harmless) {
			t.Fatalf("elements differ:\n%v\n%v", bones, harmless)
		}
		for element, want := range map[string]int{"h1": 1, "pre": 1, "td": 12, "p": 2, "title": 6, "h2": 1} {
			if says[element] < want {
				t.Errorf("%s: %d elements show it, want %d", element, says[element], want)
			}
		}
	})
}

// dissect returns a page's elements, each with the names of its attributes and the values of those that no text should reach,
// and how many elements of a name have text in them.
func dissect(t *testing.T, page, text string) (bones []string, says map[string]int) {
	t.Helper()
	says = map[string]int{}
	var began []int // where in the text the open elements began
	var all strings.Builder
	parse(t, page, func(token xml.Token) {
		switch token := token.(type) {
		case xml.StartElement:
			began = append(began, all.Len())
			bone := []string{token.Name.Local}
			for _, a := range token.Attr {
				if a.Name.Local == "aria-label" {
					a.Value = ""
				}
				bone = append(bone, a.Name.Local, a.Value)
			}
			bones = append(bones, strings.Join(bone, " "))
		case xml.EndElement:
			last := len(began) - 1
			if strings.Contains(all.String()[began[last]:], text) {
				says[token.Name.Local]++
			}
			began = began[:last]
		case xml.CharData:
			all.Write(token)
		}
	})
	return bones, says
}

// FuzzNumbers: whatever the numbers are, the drawing has only finite ones, and stays within its frame.
func FuzzNumbers(f *testing.F) {
	f.Add(int64(0), int64(5e6), int64(1e6), int64(1e6), uint64(2))
	f.Add(int64(math.MinInt64), int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxInt64), uint64(math.MaxUint64))
	f.Add(int64(-5), int64(-5), int64(-5), int64(-5), uint64(0))
	f.Add(int64(0), int64(0), int64(0), int64(0), uint64(1))
	f.Add(int64(1), int64(math.MaxInt64), int64(-1), int64(1), uint64(7))
	f.Fuzz(func(t *testing.T, started, took, offset, lasted int64, n uint64) {
		p := saying("x")
		r := &p.Reports[0]
		r.Started, r.Duration, r.KeyID, r.OldGeneration, r.NewGeneration = time.Unix(0, started), time.Duration(took), took, n, n/2
		at := r.Started.Add(time.Duration(offset))
		r.Steps[0].Started, r.Steps[0].Duration = at, time.Duration(lasted)
		one := &r.Sessions[0]
		one.Started, one.Duration, one.Wave, one.Generation = at, time.Duration(lasted), int(offset), n
		c := &one.Channels[0]
		c.Before.Notifications, c.After.Notifications, c.Gaps, c.Breaks, c.After.LastChangeID = n, n/3, n%3, n%2, offset
		p.Reports = append(p.Reports, rotate.Report{Started: at, Duration: time.Duration(lasted)})
		p.Gaps[0].At = at
		p.Calls = []htmlreport.Call{
			{Started: at, Took: time.Duration(lasted)},
			{Started: at, Failed: true},
			{Started: time.Unix(0, offset), Took: time.Duration(took)},
			{Started: time.Unix(0, offset), Failed: true},
			{Started: r.Started, Failed: true},
		}
		page := write(t, p)
		if len(page) > 1<<20 {
			t.Errorf("%d bytes", len(page))
		}
		for _, e := range elements(t, page) {
			framed(t, e)
		}
	})
}

// framed checks that a rectangle lies within the plot, and a line or a text within the drawing, as far as across.
func framed(t *testing.T, e xml.StartElement) {
	t.Helper()
	at := map[string]float64{}
	for _, a := range e.Attr {
		switch a.Name.Local {
		case "x", "y", "x1", "y1", "x2", "y2", "width", "height":
			v, err := strconv.ParseFloat(a.Value, 64)
			if err != nil || math.IsNaN(v) || v < 0 || v > 5000 {
				t.Errorf("<%s> has %s=%q", e.Name.Local, a.Name.Local, a.Value)
			}
			at[a.Name.Local] = v
		case "d":
			if strings.ContainsAny(a.Value, "NaIn") || strings.Contains(a.Value, "--") {
				t.Errorf("a path: %s", a.Value)
			}
		}
	}
	left, right, least, most := at["x"], max(at["x"]+at["width"], at["x2"]), 0.0, 1000.0
	if e.Name.Local == "rect" {
		least, most = 152, 840 // of those that end with the plot, the thinnest lie a little beyond it
	}
	if left < least || right > most {
		t.Errorf("<%s> lies from %v to %v", e.Name.Local, left, right)
	}
}

// TestLabelsDoNotOverlap: at any number of sessions, with names and durations as long as they come.
func TestLabelsDoNotOverlap(t *testing.T) {
	t.Parallel()
	for _, sessions := range []int{1, 2, 8, 14, 40} {
		p := degradedSample(sessions)
		r := &p.Reports[0]
		for i := range r.Sessions {
			r.Sessions[i].Name = fmt.Sprintf("%d-market-maker-of-the-fleet-in-tokyo", i)
			r.Sessions[i].Wave = 100 + i
		}
		r.Sessions[sessions-1].Duration = 26*time.Hour + 61*time.Second
		r.Steps = append(r.Steps, rotate.StepReport{Kind: "a step of a name yet unknown", Started: noon, Duration: time.Hour, Err: "x"})
		for i := range 30 {
			p.Reports = append(p.Reports, rotate.Report{Started: noon.Add(time.Duration(i) * ms), Duration: ms})
		}
		for i := range p.Calls {
			p.Calls[i].Took = ms // so that both percentiles end at the same height
		}
		boxes := labels(t, write(t, p))
		if len(boxes) < sessions+20 {
			t.Fatalf("%d labels for %d sessions", len(boxes), sessions)
		}
		for i, a := range boxes {
			if a.left < -1 || a.right > 1001 {
				t.Errorf("%d sessions: %q is cut: %+v", sessions, a.text, a)
			}
			for _, b := range boxes[:i] {
				if a.figure == b.figure && a.left < b.right && b.left < a.right && math.Abs(a.y-b.y) < 13 {
					t.Errorf("%d sessions: %q lies over %q: %+v %+v", sessions, a.text, b.text, a, b)
				}
			}
		}
	}
}

// box is where a label lies, about.
type box struct {
	figure         int
	left, right, y float64
	text           string
}

// labels finds the texts of the drawings.
func labels(t *testing.T, page string) []box {
	t.Helper()
	const letter = 6.4 // about as wide as a letter of the drawing is
	var found []box
	var class string
	figure := 0
	var now *box
	parse(t, page, func(token xml.Token) {
		switch token := token.(type) {
		case xml.StartElement:
			switch token.Name.Local {
			case "svg":
				figure++
			case "text":
				now = &box{figure: figure}
				for _, a := range token.Attr {
					switch a.Name.Local {
					case "x":
						now.left, _ = strconv.ParseFloat(a.Value, 64)
					case "y":
						now.y, _ = strconv.ParseFloat(a.Value, 64)
					case "class":
						class = a.Value
					}
				}
			}
		case xml.CharData:
			if now != nil {
				now.text = string(token)
			}
		case xml.EndElement:
			if now == nil {
				return
			}
			width := letter * float64(len([]rune(now.text)))
			switch class {
			case "name", "head", "scale":
				now.left -= width
			case "tick", "none", "number":
				now.left -= width / 2
			}
			now.right = now.left + width
			found = append(found, *now)
			now = nil
		}
	})
	return found
}
