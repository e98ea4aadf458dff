package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
)

// result is what a run found, as -json prints it.
type result struct {
	Behaviour       string             `json:"behaviour"`
	Transport       string             `json:"transport"`
	Sessions        int                `json:"sessions"`
	Channels        int                `json:"channels"`
	Callers         int                `json:"callers"`
	Rotations       int                `json:"rotations"`
	Calls           calls              `json:"calls"`
	ExecutedTwice   int                `json:"executed_twice"`
	Orders          orders             `json:"orders"`
	Notifications   notifications      `json:"notifications"`
	LatencyMicros   map[string]latency `json:"latency_us"`
	Spans           map[string]int     `json:"spans"`
	SecretsSearched int                `json:"secrets_searched"`
	SecretSightings int                `json:"secret_sightings"`
	Goroutines      goroutines         `json:"goroutines"`
	Reports         []rotate.Report    `json:"reports"`
	Fault           *faultResult       `json:"fault,omitempty"`
	Broken          []string           `json:"broken,omitempty"`
	Kept            bool               `json:"kept"`
}

type calls struct {
	Total   int    `json:"total"`
	OK      int    `json:"ok"`
	Refused int    `json:"refused"`
	NotSent int    `json:"not_sent"`
	Unknown int    `json:"unknown"`
	Retried uint64 `json:"retried"`
}

// orders tell what became of the orders that were placed.
type orders struct {
	Placed     int `json:"placed"`
	Cancelled  int `json:"cancelled"`
	Reconciled int `json:"reconciled"` // outcome unknown at first, then found out by label
	Unresolved int `json:"unresolved"`
}

type notifications struct {
	Published uint64 `json:"published"`
	Received  uint64 `json:"received"`
	Lost      uint64 `json:"lost"`
	Gaps      int    `json:"gaps"`
}

type latency struct {
	Calls int     `json:"calls"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
}

type goroutines struct {
	Before int `json:"before"`
	After  int `json:"after"`
}

// percentiles are exact: the run is short enough to keep every latency.
func percentiles(calls []htmlreport.Call) latency {
	if len(calls) == 0 {
		return latency{}
	}
	took := make([]time.Duration, 0, len(calls))
	for _, c := range calls {
		took = append(took, c.Took)
	}
	slices.Sort(took)
	at := func(q float64) float64 {
		i := min(int(q*float64(len(took))), len(took)-1)
		return float64(took[i]) / float64(time.Microsecond)
	}
	return latency{Calls: len(took), P50: at(0.50), P99: at(0.99), P999: at(0.999)}
}

// account writes what happened for a person to read.
func (r *result) account(w io.Writer) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	line("")
	line("calls          %d: %d ok, %d refused, %d not sent, %d unknown; %d sent again after a re-authentication",
		r.Calls.Total, r.Calls.OK, r.Calls.Refused, r.Calls.NotSent, r.Calls.Unknown, r.Calls.Retried)
	line("orders         %d placed, %d cancelled, %d reconciled by label, %d unresolved, %d executed twice",
		r.Orders.Placed, r.Orders.Cancelled, r.Orders.Reconciled, r.Orders.Unresolved, r.ExecutedTwice)
	line("notifications  %d published, %d received, %d lost, %d gaps announced",
		r.Notifications.Published, r.Notifications.Received, r.Notifications.Lost, r.Notifications.Gaps)
	for _, phase := range []string{"before", "during", "after"} {
		l := r.LatencyMicros[phase]
		line("%-6s rotation  %d calls: p50 %.0f us, p99 %.0f us, p99.9 %.0f us", phase, l.Calls, l.P50, l.P99, l.P999)
	}
	spans := make([]string, 0, len(r.Spans))
	for _, name := range slices.Sorted(maps.Keys(r.Spans)) {
		spans = append(spans, fmt.Sprintf("%s %d", name, r.Spans[name]))
	}
	line("spans          %s", strings.Join(spans, ", "))
	line("secrets        %d secrets, tokens and signatures existed; %d seen in logs, spans, metrics and reports",
		r.SecretsSearched, r.SecretSightings)
	line("goroutines     %d before, %d after", r.Goroutines.Before, r.Goroutines.After)
	line("")
	if r.Kept {
		line("Every promise was kept.")
		return
	}
	line("BROKEN:")
	for _, promise := range r.Broken {
		line("  %s", promise)
	}
}
