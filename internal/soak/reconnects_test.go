package main_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	main "github.com/holdfast-ws/holdfast/internal/soak"
	"github.com/holdfast-ws/holdfast/session"
)

func fewReconnects() main.Reconnects {
	return main.Reconnects{Count: 6, Sessions: 2, Subscriptions: 10, Dwell: 300 * time.Millisecond}
}

func TestReconnectsAreAnnouncedOnce(t *testing.T) { keeps(t, fewReconnects()) }

func TestReconnectsFindFaults(t *testing.T) {
	var seen atomic.Int64
	end := make(chan struct{})
	var left sync.WaitGroup
	defer left.Wait()
	defer close(end)
	for what, fault := range map[string]func(n session.Notification, err error) bool{
		"gap markers": func(_ session.Notification, err error) bool {
			_, isGap := errors.AsType[*session.GapError](err)
			return isGap && seen.Add(1)%7 == 0
		},
		"subscriptions without exactly one marker a loss": func(_ session.Notification, err error) bool {
			_, isGap := errors.AsType[*session.GapError](err)
			return isGap
		},
		"silent losses": func(n session.Notification, err error) bool { // each third of a busy channel
			return err == nil && n.Channel == "book.BTC-PERPETUAL.raw" && seen.Add(1)%3 == 0
		},
		"silent losses ": func(n session.Notification, err error) bool { // what a chain begins with
			return err == nil && bytes.Contains(n.Data, []byte(`"type":"snapshot"`))
		},
		"goroutines": func(session.Notification, error) bool {
			left.Go(func() { <-end })
			return false
		},
	} {
		t.Run(what, func(t *testing.T) {
			m := fewReconnects()
			m.Fault = fault
			breaks(t, m, strings.TrimSpace(what))
		})
	}
}
