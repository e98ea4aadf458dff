package main

import (
	"fmt"

	"github.com/holdfast-ws/holdfast/session"
)

// judge holds all streams against the record.
func (h *house) judge(r *result) error {
	var v verdict
	messages := 0
	for _, channel := range published {
		var prints []Print
		if err := h.exchange.command("Record", channel, &prints); err != nil {
			return err
		}
		p, err := newPrinted(channel, prints)
		if err != nil {
			return err
		}
		messages += len(prints)
		for _, s := range h.sessions {
			for _, t := range s.all() {
				if _, has := t.of[channel]; has {
					v.judge(t, channel, p)
				}
			}
		}
	}
	r.atLeast(float64(h.Messages), figure{What: "messages published", Value: float64(messages)})
	h.judgeFaults(r)
	h.judgeLosses(r, v)
	v.show(r)
	return nil
}

// judgeFaults counts those that happened while messages were published.
func (h *house) judgeFaults(r *result) {
	happened := 0
	for _, n := range h.fired {
		happened += n
	}
	r.atLeast(float64(h.Count), figure{What: "faults", Value: float64(happened)})
	for _, kind := range faultKinds {
		r.atLeast(float64(h.least()), figure{What: "of them " + kind, Value: float64(h.fired[kind])})
	}
}

// judgeLosses holds the markers against what the sessions went through.
func (h *house) judgeLosses(r *result, v verdict) {
	lost, renewals, unannounced, failed := 0, 0, 0, 0
	failure := ""
	markers := map[session.GapReason]int{}
	for _, s := range h.sessions {
		lost += len(s.ready) - 1
		// A step of the observer has failed too where the answer to what follows the authentication was lost: that is no measure.
		regained := int(s.session.Stats().AuthorityLost) //nolint:gosec // a run is short
		renewals += regained
		unannounced += s.unannounced()
		for _, t := range s.all() {
			if twice := t.told(regained); twice > 0 {
				v.twice += twice
				v.example = fmt.Sprintf("%s: %v, authenticated again %d times", t.name, t.reasons(), regained)
			}
			for _, gap := range t.marks {
				markers[gap.Reason]++
			}
			if failed += t.failed; t.failed > 0 {
				failure = t.failure
			}
		}
	}
	r.atLeast(1, figure{What: "connections lost", Value: float64(lost)})
	r.tell("connections authenticated again", float64(renewals), "")
	for _, reason := range []session.GapReason{
		session.GapReconnect, session.GapResumed, session.GapOverflow, session.GapSequence, session.GapResync,
	} {
		r.tell(fmt.Sprintf("gap markers (%s)", reason), float64(markers[reason]), "")
	}
	r.equal(0, figure{What: "lost connections without a marker", Value: float64(unannounced)})
	r.equal(0, figure{What: "losses announced twice", Value: float64(v.twice), Detail: v.example})
	r.equal(0, figure{What: "other errors", Value: float64(failed), Detail: failure})
}

// show adds what the streams are told by the record.
func (v *verdict) show(r *result) {
	r.tell("notifications", float64(v.messages), "")
	r.tell("snapshots", float64(v.snapshots), "")
	r.atLeast(1, figure{What: "places where notifications are missing", Value: float64(v.holes)})
	r.tell("notifications missing there", float64(v.missing), "")
	r.tell("markers of a lost connection or authority where nothing is missing", float64(v.idle), "")
	r.equal(0, figure{What: "losses without a marker", Value: float64(v.unannounced), Detail: v.example})
	r.equal(0, figure{What: "markers that nothing explains", Value: float64(v.unfounded), Detail: v.example})
	r.equal(0, figure{What: "notifications delivered twice, or out of order", Value: float64(v.again), Detail: v.example})
	r.equal(0, figure{What: "notifications never published", Value: float64(v.invented), Detail: v.example})
	r.equal(0, figure{What: "notifications missing at the end", Value: float64(v.tail), Detail: v.example})
}
