package main_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	main "github.com/holdfast-ws/holdfast/internal/soak"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

func fewHandovers() main.Handovers { return main.Handovers{Count: 3, Traders: 16} }

func TestHandoversAreNotNoticed(t *testing.T) { keeps(t, fewHandovers()) }

func TestHandoversFindWhatStreamsLack(t *testing.T) {
	var seen atomic.Int64
	end := make(chan struct{})
	var left sync.WaitGroup
	defer left.Wait()
	defer close(end)
	third := func(channel string) func(session.Notification, error) bool {
		return func(n session.Notification, err error) bool {
			return err == nil && n.Channel == channel && seen.Add(1)%3 == 0
		}
	}
	for what, fault := range map[string]func(session.Notification, error) bool{
		"breaks of a book's chain, as the consumer sees it": third("book.BTC-PERPETUAL.raw"),
		"trades skipped":           third("trades.BTC-PERPETUAL.raw"),
		"events of orders missing": third("user.orders.any.any.raw"),
		"other errors": func(n session.Notification, _ error) bool { // it is what the consumer makes of it
			copy(n.Data, "?")
			return false
		},
		"goroutines": func(session.Notification, error) bool {
			left.Go(func() { <-end })
			return false
		},
	} {
		t.Run(what, func(t *testing.T) {
			m := fewHandovers()
			m.Fault = fault
			breaks(t, m, what)
		})
	}
}

func TestHandoversFindFaults(t *testing.T) {
	for what, fault := range map[string]faulty{
		// A connection that breaks while it serves: what the exchange cancels then, and what is lost, must be told.
		"failed calls":                     breaking(),
		"gap markers":                      breaking(),
		"orders cancelled by the exchange": breaking(),
		"orders executed twice": {write: func(write func(...[]byte) error, msgs [][]byte) error {
			for _, msg := range msgs {
				if err := write(msg); err != nil {
					return err
				}
				if !bytes.Contains(msg, []byte("private/buy")) {
					continue
				}
				if err := write(bytes.Replace(msg, []byte(`"id":`), []byte(`"id":77`), 1)); err != nil {
					return err
				}
			}
			return nil
		}},
		"events of orders told twice": {read: func(msg []byte) []byte { // all are told to be the first
			if i := bytes.Index(msg, []byte(`"label":"caller-1-`)); i >= 0 && bytes.Contains(msg, []byte(`"subscription"`)) {
				i += len(`"label":"caller-1-`)
				end := i + bytes.IndexByte(msg[i:], '"')
				copy(msg[i:end], strings.Repeat("0", end-i))
			}
			return msg
		}},
	} {
		t.Run(what, func(t *testing.T) {
			r, err := main.Run(fewHandovers(), t.Context(), main.Env{Dialer: faultyDialer{fault}, Patience: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			isBroken(t, r, what)
		})
	}
}

// TestHandoversFindThoseThatFail has no connection to be had after the second.
func TestHandoversFindThoseThatFail(t *testing.T) {
	r, err := main.Run(fewHandovers(), t.Context(), main.Env{Dialer: &fewDials{left: 2}, Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	isBroken(t, r, "handovers")
}

// fewDials is a dialer that fails after so many; by one goroutine at a time.
type fewDials struct {
	leanws.Dialer
	left int
}

// Dial implements [rpc.Dialer].
func (d *fewDials) Dial(ctx context.Context, cfg rpc.DialConfig) (rpc.Transport, error) {
	if d.left--; d.left < 0 {
		return nil, errPlanted
	}
	return d.Dialer.Dial(ctx, cfg)
}

var errPlanted = errors.New("planted")

// breaking breaks the connection once, at an order by which each trader has placed one that rests.
func breaking() faulty {
	var orders atomic.Int64
	return faulty{write: func(write func(...[]byte) error, msgs [][]byte) error {
		for _, msg := range msgs {
			if bytes.Contains(msg, []byte("private/buy")) && orders.Add(1) == 40 {
				return errPlanted
			}
		}
		return write(msgs...)
	}}
}
