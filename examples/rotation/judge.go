package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
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
	for _, t := range s.turns {
		found.Reports = append(found.Reports, t.report)
	}
	found.Fault = s.fault
	found.Broken = append(append(found.Broken, broken...), s.broken...)
}

// search looks for every secret that existed in every byte that the run put out.
func (s *stage) search(ctx context.Context, found *result) error {
	found.Spans = s.evidence.spanCounts()
	errs := make([]error, 0, len(s.turns))
	for _, t := range s.turns {
		errs = append(errs, t.err)
	}
	text, err := s.evidence.text(ctx, errs, found)
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
	for _, t := range s.turns {
		promise(kindOf(t.err) == t.want.err && t.report.Outcome == t.want.outcome, "rotation %s: %s, want %s: %v, want %q",
			t.report.ID, t.report.Outcome, t.want.outcome, t.err, t.want.err)
	}
	promise(s.opts.fault == "" || s.fault != nil && s.fault.Fired > 0, "%s: the fault has not happened", s.opts.fault)
	promise(found.ExecutedTwice == 0, "%d orders were executed twice", found.ExecutedTwice)
	promise(found.Orders.Unresolved == 0, "what became of %d orders is not known", found.Orders.Unresolved)
	promise(found.SecretSightings == 0, "%d secrets were seen in logs, spans, metrics or reports", found.SecretSightings)
	promise(found.Goroutines.After <= found.Goroutines.Before, "%d goroutines are left of a run that began with %d",
		found.Goroutines.After, found.Goroutines.Before)
	promise(len(s.turns) >= s.opts.rotations && found.Spans["credentials.rotate"] == len(s.turns), "%d of %d rotations were traced",
		found.Spans["credentials.rotate"], len(s.turns))
	promise(len(unconfirmed(found.Reports)) == 0, "channels not confirmed: %v", unconfirmed(found.Reports))
	// A run in which nothing happened shows nothing.
	promise(found.Calls.OK > 0 && found.Orders.Placed > 0 && found.Notifications.Received > 0 && found.SecretsSearched > 0,
		"nothing happened that could have gone wrong")
	if s.opts.behaviour.Connections != deribittest.ConnectionsKept {
		closures := len(s.consumers) * s.opts.rotations
		promise(found.Notifications.Gaps == closures, "%d gaps were announced for %d closures", found.Notifications.Gaps, closures)
	} else {
		c, n := found.Calls, found.Notifications
		promise(c.Refused+c.NotSent+c.Unknown == 0, "calls failed: %d refused, %d not sent, %d unknown", c.Refused, c.NotSent, c.Unknown)
		promise(n.Lost == 0 && n.Gaps <= s.breaks(found), "notifications: %d lost, %d gaps", n.Lost, n.Gaps)
		promise(s.reconnects() == 0, "sessions reconnected %d times", s.reconnects())
	}
	found.Kept = len(found.Broken) == 0
}

// breaks bounds how many chains of change ids may break, which is announced as a gap, where a reset ends channels without a word: the
// books that move before they are subscribed to again.
func (s *stage) breaks(found *result) (n int) {
	if !s.opts.behaviour.SubscriptionsDropped {
		return 0
	}
	return found.Channels * s.resets()
}

// unconfirmed are the account's channels that the exchange did not confirm after a re-authentication.
func unconfirmed(reports []rotate.Report) (names []string) {
	for _, r := range reports {
		for _, s := range r.Sessions {
			for _, c := range s.Channels {
				if strings.HasPrefix(c.Channel, "user.") && !c.Confirmed {
					names = append(names, s.Name+" "+c.Channel)
				}
			}
		}
	}
	return names
}

func (s *stage) reconnects() (n uint64) {
	for _, one := range s.fleet {
		n += one.Stats().Epoch - 1
	}
	return n
}
