package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// result is what a mode found.
type result struct {
	Mode    string   `json:"mode"`
	Setup   string   `json:"setup"`
	Figures []figure `json:"figures"`
	Kept    bool     `json:"kept"` // every promise
}

// figure is one row of the table.
type figure struct {
	What    string  `json:"what"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit,omitempty"`
	Detail  string  `json:"detail,omitempty"`
	Promise string  `json:"promise,omitempty"` // empty: none is made of it
	Broken  bool    `json:"broken,omitempty"`
}

func newResult(mode, format string, args ...any) *result {
	return &result{Mode: mode, Setup: fmt.Sprintf(format, args...), Kept: true}
}

// tell adds a figure of which nothing is promised.
func (r *result) tell(what string, value float64, unit string) {
	r.Figures = append(r.Figures, figure{What: what, Value: value, Unit: unit})
}

// atMost adds a figure that must not be above a limit.
func (r *result) atMost(limit float64, f figure) {
	f.Promise = fmt.Sprintf("<= %v", limit)
	r.hold(f.Value <= limit, f)
}

// atLeast adds a figure that must not be below a limit: a run in which nothing happened shows nothing.
func (r *result) atLeast(limit float64, f figure) {
	f.Promise = fmt.Sprintf(">= %v", limit)
	r.hold(f.Value >= limit, f)
}

// equal adds a figure that must be what is wanted.
func (r *result) equal(want float64, f figure) {
	f.Promise = fmt.Sprintf("= %v", want)
	r.hold(f.Value == want, f)
}

func (r *result) hold(kept bool, f figure) {
	f.Broken = !kept
	r.Kept = r.Kept && kept
	r.Figures = append(r.Figures, f)
}

// table writes the result for people.
func (r *result) table(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s: %s\n", r.Mode, r.Setup); err != nil {
		return err
	}
	rows := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Figures {
		verdict := ""
		switch {
		case f.Broken:
			verdict = "BROKEN"
		case f.Promise != "":
			verdict = "kept"
		}
		value := fmt.Sprintf("%.6g %s", f.Value, f.Unit)
		if _, err := fmt.Fprintf(rows, "  %s\t%s\t%s\t%s\t%s\n", f.What, value, f.Promise, verdict, f.Detail); err != nil {
			return err
		}
	}
	return rows.Flush()
}
