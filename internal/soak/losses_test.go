package main_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	main "github.com/holdfast-ws/holdfast/internal/soak"
	"github.com/holdfast-ws/holdfast/session"
)

func fewLosses() main.Losses { return main.Losses{Count: 8, Messages: 3000, Sessions: 2, Seed: 2} }

func TestLossesAreAnnouncedOnce(t *testing.T) {
	m := fewLosses()
	m.Count = 20
	keeps(t, m)
}

func TestLossesFindFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault  func(n session.Notification, isGap bool, seen int) (times int)
		broken []string
	}{
		"markers dropped": {func(_ session.Notification, isGap bool, _ int) int {
			if isGap {
				return 0
			}
			return 1
		}, []string{"losses without a marker", "lost connections without a marker"}},
		"markers repeated": {func(_ session.Notification, isGap bool, _ int) int {
			if isGap {
				return 2
			}
			return 1
		}, []string{"losses announced twice"}},
		"messages dropped, repeated and spoilt": {func(n session.Notification, _ bool, seen int) int {
			switch {
			case n.Channel == "trades.BTC-PERPETUAL.raw" && seen%100 == 0:
				return 0
			case n.Channel == "book.BTC-PERPETUAL.raw" && seen%100 == 0:
				return 2
			case n.Channel == "trades.ETH-PERPETUAL.raw" && seen%100 == 0:
				copy(n.Data, "?")
			case n.Channel == "book.BTC-PERPETUAL.100ms" && seen > 1000:
				return 0
			}
			return 1
		}, []string{
			"losses without a marker", "notifications delivered twice, or out of order", "notifications never published",
			"notifications missing at the end",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := fewLosses()
			var mu sync.Mutex // protects seen
			seen := 0
			m.Fault = func(n session.Notification, err error) int {
				_, isGap := errors.AsType[*session.GapError](err)
				mu.Lock()
				defer mu.Unlock()
				seen++
				return c.fault(n, isGap, seen)
			}
			r := soak(t, m, 0)
			for _, what := range c.broken {
				isBroken(t, r, what)
			}
		})
	}
}

// TestLossesWithoutFaults has a run fail in which fewer faults happened than were asked for.
func TestLossesWithoutFaults(t *testing.T) {
	isBroken(t, main.JudgeFaults(14, map[string]int{"cut": 13}), "faults")
	isBroken(t, main.JudgeFaults(14, map[string]int{"cut": 15}), "of them stall")
}

// TestVerdict holds made-up streams against a record.
func TestVerdictOnStreams(t *testing.T) {
	reconnect := func(epoch uint64) error { return &session.GapError{Reason: session.GapReconnect, Epoch: epoch} }
	sequence := &session.GapError{Reason: session.GapSequence, Epoch: 1}
	overflow := func(missed uint64) error { return &session.GapError{Reason: session.GapOverflow, Missed: missed} }
	const trades, book = "trades.X.raw", "book.X.raw"
	for name, c := range map[string]struct {
		channel string
		stream  []any // messages by their number, snapshots as text, and markers
		want    string
	}{
		"all":                            {trades, []any{1, 2, 3, 4, 5, 6}, ""},
		"from the middle":                {trades, []any{3, 4, 5, 6}, ""},
		"a hole that is announced":       {trades, []any{1, 2, reconnect(1), 5, 6}, ""},
		"nothing missing":                {trades, []any{1, 2, reconnect(1), 3, 4, 5, 6}, ""},
		"two losses in one place":        {trades, []any{1, 2, reconnect(1), reconnect(2), 5, 6}, ""},
		"a hole without a marker":        {trades, []any{1, 2, 4, 5, 6}, "unannounced"},
		"a marker in the wrong place":    {trades, []any{1, reconnect(1), 2, 4, 5, 6}, "unannounced"},
		"one loss announced twice":       {trades, []any{1, reconnect(1), reconnect(1), 3, 4, 5, 6}, "twice"},
		"twice, the second time later":   {trades, []any{1, reconnect(1), 3, 4, reconnect(1), 5, 6}, "twice"},
		"as many dropped as are told":    {trades, []any{1, overflow(2), 4, 5, 6}, ""},
		"fewer dropped than are told":    {trades, []any{1, overflow(3), 4, 5, 6}, "twice"},
		"more dropped than are told":     {trades, []any{1, overflow(1), 4, 5, 6}, "unannounced"},
		"repeated":                       {trades, []any{1, 2, 2, 3, 4, 5, 6}, "again"},
		"out of order":                   {trades, []any{1, 3, reconnect(1), 2, 4, 5, 6}, "unannounced again"},
		"never published":                {trades, []any{1, 2, 3, 99, 4, 5, 6}, "invented"},
		"missing at the end":             {trades, []any{1, 2, 3, 4}, "tail"},
		"a book's break":                 {book, []any{1, 2, sequence, "4", 5, 6}, ""},
		"a break that is none":           {book, []any{1, 2, sequence, "2", 3, 4, 5, 6}, "unfounded"},
		"a break announced twice":        {book, []any{1, 2, sequence, sequence, "4", 5, 6}, "twice"},
		"a snapshot that hides a loss":   {book, []any{1, 2, "4", 5, 6}, "unannounced"},
		"a snapshot out of order":        {book, []any{1, 2, 3, "2", 4, 5, 6}, "again"},
		"a snapshot that never was":      {book, []any{1, "99", 2, 3, 4, 5, 6}, "invented"},
		"lost inside, without a marker":  {book, []any{1, 2, 3, 4, 5, 6, 8}, "unannounced"},
		"lost inside, announced":         {book, []any{1, 2, 3, 4, 5, 6, sequence, "7", 8}, ""},
		"lost inside, and what it holds": {book, []any{1, 2, 3, 4, 5, 6, "7", 8}, "unannounced"},
	} {
		t.Run(name, func(t *testing.T) {
			numbers := []int{1, 2, 3, 4, 5, 6}
			if strings.HasPrefix(name, "lost inside") { // 7 is
				numbers = append(numbers, 8)
			}
			if got := main.Judge(c.channel, numbers, c.stream); got != c.want {
				t.Errorf("found %q, not %q", got, c.want)
			}
		})
	}
}
