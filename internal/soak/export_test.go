package main

import (
	"strconv"
	"strings"

	"github.com/holdfast-ws/holdfast/session"
)

// What tests drive.
type (
	Env        = env
	Result     = result
	Mode       = mode
	Rotations  = rotations
	Orders     = orders
	Durable    = durable
	Calls      = calls
	Reconnects = reconnects
	Slow       = slow
	Handovers  = handovers
	Pair       = pair
	Losses     = losses
	Streams    = streams
)

// Run makes one run.
var Run = Mode.run

// Command is the program with arguments.
var Command = run

// ServeStdio and ServeArg are the double's process.
var ServeStdio = serveStdio

const ServeArg = serveArg

// Broken names the figures that break a promise.
func (r *result) Broken() (names []string) {
	for _, f := range r.Figures {
		if f.Broken {
			names = append(names, f.What)
		}
	}
	return names
}

// Hold says what is wrong with an order of that outcome that was executed so often.
func Hold(was string, executed int) string {
	var t tally
	t.hold(map[string]outcome{"answered": answered, "refused": refused, "not sent": notSent, "unknown": unknown}[was], executed)
	switch {
	case t.missing > 0:
		return "missing"
	case t.resent > 0:
		return "resent"
	case t.denied > 0:
		return "denied"
	}
	return ""
}

// JudgeFaults holds the faults that happened against how many were asked for.
func JudgeFaults(count int, fired map[string]int) *Result {
	r := newResult("losses", "")
	(&house{losses: losses{Count: count}, fired: fired}).judgeFaults(r)
	return r
}

// Judge says what is wrong with a stream of a channel of which the numbers of messages were published, each following the one
// before: numbers are messages, texts the numbers of snapshots, and errors markers.
func Judge(channel string, numbers []int, stream []any) string {
	p := &printed{at: map[uint64]int{}, isBook: isBook(channel)}
	for i, n := range numbers {
		p.at[sumOf(n)] = i
		p.prints = append(p.prints, Print{Sum: sumOf(n), ID: int64(n), Prev: int64(n - 1)})
	}
	t := &transcript{isNarrow: true, of: map[string][]line{channel: nil}}
	for _, one := range stream {
		n := session.Notification{Channel: channel}
		err, _ := one.(error)
		switch one := one.(type) {
		case int:
			n.Data = strconv.AppendInt(nil, int64(one), 10)
		case string:
			n.Data = []byte(`{"type":"snapshot","change_id":` + one + `}`)
		}
		t.write(n, err)
	}
	var v verdict
	v.judge(t, channel, p)
	v.twice += t.told(0)
	var found []string
	for _, f := range []struct {
		what string
		n    int
	}{
		{"unannounced", v.unannounced},
		{"twice", v.twice},
		{"unfounded", v.unfounded},
		{"again", v.again},
		{"invented", v.invented},
		{"tail", v.tail},
	} {
		if f.n > 0 {
			found = append(found, f.what)
		}
	}
	return strings.Join(found, " ")
}

func sumOf(n int) uint64 { return sum(strconv.AppendInt(nil, int64(n), 10)) }
