package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// transcript is what the stream of a subscription held.
type transcript struct {
	name     string
	sub      *session.Subscription
	isNarrow bool // its consumer is too slow, and its buffer small
	fault    func(session.Notification, error) int
	reading  sync.WaitGroup

	// Once reading is done:
	of      map[string][]line
	marks   []*session.GapError
	failed  int
	failure string
}

// line is an entry of the stream of one channel.
type line struct {
	kind  lineKind
	value uint64 // the sum of a message, the change id of a snapshot, or the number of a marker
}

type lineKind uint8

const (
	lineMessage lineKind = iota
	lineSnapshot
	lineMark
)

func newTranscript(name string, sub *session.Subscription, fault func(session.Notification, error) int) *transcript {
	t := &transcript{name: name, sub: sub, fault: fault, of: map[string][]line{}}
	for _, channel := range sub.Channels() {
		t.of[channel] = nil
	}
	return t
}

// read has t read its subscription.
func (t *transcript) read(ctx context.Context) {
	t.reading.Go(func() {
		read := 0
		for n, err := range t.sub.Notifications(ctx) {
			times := 1
			if t.fault != nil {
				times = t.fault(n, err)
			}
			for range times {
				t.write(n, err)
			}
			if read++; t.isNarrow && read%100 == 0 && wait(ctx, slowness) != nil {
				return
			}
		}
	})
}

// slowness is how long a slow consumer stands still: more is published meanwhile than waits for it.
const slowness = 30 * time.Millisecond

func (t *transcript) write(n session.Notification, err error) {
	gap, isGap := errors.AsType[*session.GapError](err)
	switch {
	case isGap:
		t.mark(gap)
		return
	case err != nil:
		t.fail(err)
		return
	}
	one := line{lineMessage, sum(n.Data)}
	if isBook(n.Channel) && bytes.Contains(n.Data, []byte(`"type":"snapshot"`)) {
		var ids bookIDs
		if err := json.Unmarshal(n.Data, &ids); err != nil {
			t.fail(err)
			return
		}
		one = line{lineSnapshot, uint64(ids.ID)} //nolint:gosec // change ids are positive
	}
	t.of[n.Channel] = append(t.of[n.Channel], one)
}

// mark writes a marker into each channel that it is about.
func (t *transcript) mark(gap *session.GapError) {
	one := line{lineMark, uint64(len(t.marks))}
	t.marks = append(t.marks, gap)
	for channel, lines := range t.of {
		if gap.Channel == "" || gap.Channel == channel {
			t.of[channel] = append(lines, one)
		}
	}
}

func (t *transcript) fail(err error) {
	t.failed++
	t.failure = t.name + ": " + err.Error()
}

// close ends the subscription, and waits until what came before has been read.
func (t *transcript) close(ctx context.Context) error {
	err := t.sub.Close(ctx)
	t.reading.Wait()
	return err
}

// told counts the markers of lost connections that were told of before, and those of lost authority that are more than the
// authentications which could tell. Where a buffer overflowed, markers were merged, and may bear the number of a later loss.
func (t *transcript) told(renewals int) (twice int) {
	seen := map[uint64]bool{}
	resumed := 0
	for _, gap := range t.marks {
		switch gap.Reason {
		case session.GapOverflow:
			return 0
		case session.GapResumed:
			resumed++
		case session.GapReconnect:
			if seen[gap.Epoch] {
				twice++
			}
			seen[gap.Epoch] = true
		case session.GapSequence, session.GapResync: // the record tells
		}
	}
	return twice + max(0, resumed-renewals)
}

// reasons are those of the markers, and the connections of which they are.
func (t *transcript) reasons() (reasons []string) {
	for _, gap := range t.marks {
		reasons = append(reasons, fmt.Sprintf("%s/%d", gap.Reason, gap.Epoch))
	}
	return reasons
}

// tells reports whether there is a marker of the loss of that connection.
func (t *transcript) tells(epoch uint64) bool {
	return slices.ContainsFunc(t.marks, func(g *session.GapError) bool { return g.Reason == session.GapReconnect && g.Epoch == epoch })
}

func isBook(channel string) bool { return strings.HasPrefix(channel, "book.") }
