// Package htmlreport draws rotations as one HTML file for people to read: what happened and when, step by step, session by
// session and channel by channel, beside the latency of the calls that went on meanwhile. The file needs nothing else: no
// network, no script, no other file. It has no secret in it, only fingerprints.
package htmlreport

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"time"
	"unicode"

	"github.com/holdfast-ws/holdfast/rotate"
)

// Page is what one file shows. Its texts may come from anywhere: they are shown as text, whatever is in them.
type Page struct {
	Title   string          // empty: made of the reports
	Account string          // what else there is to say, in lines
	Reports []rotate.Report // in the order of time, at least one
	Calls   []Call          // made before, during and after the rotations, in any order; none: no latencies are drawn
	Gaps    []Gap           // that subscriptions announced, in any order
}

// Call is a call that somebody made.
type Call struct {
	Started time.Time
	Took    time.Duration
	Failed  bool // it was refused, or has no answer
}

// Gap is an announcement that notifications may be missing, as a [session.GapError] makes it.
type Gap struct {
	At      time.Time
	Session string // the session's name, as in rotate.SessionReport
	Channel string // empty: every channel of the subscription
	Reason  string
}

// ErrNoReport is a page without a report.
var ErrNoReport = errors.New("htmlreport: page: no report")

//go:embed page.html figure.html tables.html
var files embed.FS

var pages = template.Must(template.ParseFS(files, "*.html"))

// Write writes the page. The same page gives the same bytes. It reads p and keeps nothing of it. Its errors are [ErrNoReport]
// and those of w.
func Write(w io.Writer, p Page) error {
	if len(p.Reports) == 0 {
		return ErrNoReport
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "page.html", newView(p)); err != nil {
		return fmt.Errorf("htmlreport: page: %w", err)
	}
	if _, err := w.Write(bytes.Map(visible, b.Bytes())); err != nil {
		return fmt.Errorf("htmlreport: write: %w", err)
	}
	return nil
}

// visible replaces what is not seen, as it is or as what it is: control characters, and those that turn the direction of text.
func visible(r rune) rune {
	if r == '\n' || unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}
