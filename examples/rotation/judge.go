package main

import (
	"context"
	"fmt"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
)

// count adds up what happened, before the sessions are closed.
func (s *stage) count(found *result) {
	found.Channels = s.channels()
	made := [phases][]htmlreport.Call{}
	for _, c := range s.callers {
		found.Calls.Total += c.calls.Total
		found.Calls.OK += c.calls.OK
		found.Calls.Refused += c.calls.Refused
		found.Calls.NotSent += c.calls.NotSent
		found.Calls.Unknown += c.calls.Unknown
		found.Orders.Placed += c.orders.Placed
		found.Orders.Cancelled += c.orders.Cancelled
		found.Orders.Reconciled += c.orders.Reconciled
		found.Orders.Unresolved += c.orders.Unresolved
		found.Broken = append(found.Broken, c.broken...)
		for i := range made {
			made[i] = append(made[i], c.made[i]...)
		}
		for n := 1; n <= c.seq; n++ {
			if s.exchange.Executed(fmt.Sprintf("caller-%d-%d", c.id, n)) > 1 {
				found.ExecutedTwice++
			}
		}
	}
	for _, one := range s.fleet {
		found.Calls.Retried += one.Stats().Resent
	}
	found.LatencyMicros = map[string]latency{
		"before": percentiles(made[before]), "during": percentiles(made[during]), "after": percentiles(made[after]),
	}
	received, gaps, broken := tally(s.consumers)
	found.Notifications = compare(s.exchange.PublishedAll(), received)
	found.Notifications.Gaps = len(gaps)
	found.Reports = s.reports
	found.Broken = append(found.Broken, broken...)
}

// search looks for every secret that existed in every byte that the run put out.
func (s *stage) search(ctx context.Context, found *result) error {
	found.Spans = s.evidence.spanCounts()
	text, err := s.evidence.text(ctx, s.rotated, found)
	if err != nil {
		return err
	}
	secrets := s.exchange.Secrets()
	found.SecretsSearched = len(secrets)
	found.SecretSightings = sightings(text, secrets)
	return nil
}

// judge holds what was found against what was promised.
func (s *stage) judge(found *result) {
	promise := func(kept bool, format string, args ...any) {
		if !kept {
			found.Broken = append(found.Broken, fmt.Sprintf(format, args...))
		}
	}
	for i, err := range s.rotated {
		promise(err == nil, "rotation %d: %v", i+1, err)
	}
	promise(found.ExecutedTwice == 0, "%d orders were executed twice", found.ExecutedTwice)
	promise(found.Orders.Unresolved == 0, "what became of %d orders is not known", found.Orders.Unresolved)
	promise(found.SecretSightings == 0, "%d secrets were seen in logs, spans, metrics or reports", found.SecretSightings)
	promise(found.Goroutines.After <= found.Goroutines.Before, "%d goroutines are left of a run that began with %d",
		found.Goroutines.After, found.Goroutines.Before)
	promise(found.Spans["credentials.rotate"] == s.opts.rotations, "%d rotations were traced", found.Spans["credentials.rotate"])
	// A run in which nothing happened shows nothing.
	promise(found.Calls.OK > 0 && found.Orders.Placed > 0 && found.Notifications.Received > 0 && found.SecretsSearched > 0,
		"nothing happened that could have gone wrong")
	if s.opts.behaviour.Connections != deribittest.ConnectionsKept {
		closures := len(s.consumers) * s.opts.rotations
		promise(found.Notifications.Gaps == closures, "%d gaps were announced for %d closures", found.Notifications.Gaps, closures)
	} else {
		c, n := found.Calls, found.Notifications
		promise(c.Refused+c.NotSent+c.Unknown == 0, "calls failed: %d refused, %d not sent, %d unknown", c.Refused, c.NotSent, c.Unknown)
		promise(n.Lost == 0 && n.Gaps == 0, "notifications: %d lost, %d gaps", n.Lost, n.Gaps)
		promise(s.reconnects() == 0, "sessions reconnected %d times", s.reconnects())
	}
	found.Kept = len(found.Broken) == 0
}

func (s *stage) reconnects() (n uint64) {
	for _, one := range s.fleet {
		n += one.Stats().Epoch - 1
	}
	return n
}
