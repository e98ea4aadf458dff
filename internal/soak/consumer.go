package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/holdfast-ws/holdfast/session"
)

// watched is what a consumer of a book saw, or several.
type watched struct {
	reconnects               uint64
	notifications, snapshots int
	gaps                     int // markers of lost connections
	uneven                   int // subscriptions with another number of them than there were losses
	silent                   int // losses without a marker
	failed                   int
	failure                  string
}

func (w *watched) add(one *watched, losses int) {
	w.notifications += one.notifications
	w.snapshots += one.snapshots
	w.gaps += one.gaps
	w.silent += one.silent
	w.failed += one.failed
	if one.failure != "" {
		w.failure = one.failure
	}
	if one.gaps != losses {
		w.uneven++
	}
}

// consumer reads the stream of one channel: of a book, whose chain of change ids it follows by itself, unless it has another take.
type consumer struct {
	sub      *session.Subscription
	reading  sync.WaitGroup
	fault    func(session.Notification, error) (drop bool) // if set, drops what the consumer is not to see
	take     func(session.Notification) error              // nil is a book's chain
	seamless bool                                          // another connection goes on with the chain

	watched // once reading is done
	last    int64
	epoch   uint64
	began   bool // a chain, which the next message goes on with
	owed    bool // a snapshot, after a marker
}

// consume has c read sub.
func (c *consumer) consume(ctx context.Context, sub *session.Subscription) *consumer {
	c.sub = sub
	if c.take == nil {
		c.take = c.follow
	}
	c.reading.Go(func() {
		for n, err := range sub.Notifications(ctx) {
			if c.fault == nil || !c.fault(n, err) {
				c.see(n, err)
			}
		}
	})
	return c
}

// close ends the subscription, and waits until what came before has been read.
func (c *consumer) close(ctx context.Context) error {
	err := c.sub.Close(ctx)
	c.reading.Wait()
	return err
}

func (c *consumer) see(n session.Notification, err error) {
	gap, isGap := errors.AsType[*session.GapError](err)
	switch {
	case isGap && gap.Reason == session.GapReconnect:
		c.gaps++
		c.began, c.owed = false, true
	case err != nil:
		c.fail(err)
	default:
		c.notifications++
		if err := c.take(n); err != nil {
			c.fail(err)
		}
	}
}

func (c *consumer) fail(err error) {
	c.failed++
	c.failure = err.Error()
}

// follow holds a message against the one before.
func (c *consumer) follow(n session.Notification) error {
	var book struct {
		Type string `json:"type"`
		ID   int64  `json:"change_id"`
		Prev int64  `json:"prev_change_id"`
	}
	if err := json.Unmarshal(n.Data, &book); err != nil {
		return err
	}
	isSnapshot := book.Type == "snapshot"
	if isSnapshot {
		c.snapshots++
	}
	same := n.Epoch == c.epoch || c.seamless && n.Epoch > c.epoch
	goesOn := same && !isSnapshot && book.Prev == c.last
	if c.began && !goesOn || c.owed && !isSnapshot {
		c.silent++
	}
	c.last, c.epoch, c.began, c.owed = book.ID, n.Epoch, true, false
	return nil
}
