package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/session"
)

// once calls do at the first write that has what in it.
type once struct {
	what string
	do   func()
}

func (o *once) Write(p []byte) (int, error) {
	if o.do != nil && bytes.Contains(p, []byte(o.what)) {
		o.do()
		o.do = nil
	}
	return len(p), nil
}

// TestRunInterrupted: who interrupts an engine finds no order open.
func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	r, err := run(ctx, options{run: time.Minute, every: 100 * time.Millisecond}, &once{" placed, ", interrupt})
	if err != nil {
		t.Fatal(err)
	}
	if r.Open != 0 || r.Placed == 0 || !r.Kept {
		t.Errorf("%+v", r)
	}
}

// TestInDoubt places an order of which the exchange says nothing.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  deribittest.Fault
		placed int           // orders found
		atMost time.Duration // until that is known
	}{
		"the request is lost": {deribittest.Fault{Kind: deribittest.LoseRequest, Method: "private/buy"}, 0, patience + life + tolerance},
		"the answer is lost":  {deribittest.Fault{Kind: deribittest.LoseReply, Method: "private/buy"}, 1, patience},
		"the answer is late":  {deribittest.Fault{Kind: deribittest.DelayReply, Method: "private/buy", For: patience + time.Second}, 1, patience},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, exchange := newTestEngine(t)
				exchange.Inject(c.fault)
				began := time.Now()
				e.place(t.Context(), "the order")
				if took := time.Since(began); took > c.atMost || e.err != nil || e.counts.Unknown != 1 || e.counts.UnknownPlaced != c.placed {
					t.Errorf("after %v: %+v, %v", took, e.counts, e.err)
				}
				if n := exchange.Executed("the order"); n != c.placed || len(e.resting) != c.placed {
					t.Errorf("executed %d times, %d rest", n, len(e.resting))
				}
				if err := e.flatten(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestDoubtThatStays: an exchange that cannot be asked is not asked for ever, nor without a pause.
func TestDoubtThatStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, _ := newTestEngine(t)
		if err := e.session.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		e.reconcile(t.Context(), "the order", began)
		if took := time.Since(began); took != inDoubt || !errors.Is(e.err, session.ErrClosed) {
			t.Errorf("%v after %v", e.err, took)
		}
		if err := e.flatten(t.Context()); !errors.Is(err, session.ErrClosed) {
			t.Errorf("flatten = %v", err)
		}
	})
}

func newTestEngine(t *testing.T) (*engine, *deribittest.Server) {
	t.Helper()
	network := deribittest.NewMemoryListener()
	exchange := exchangetest.New(t, deribittest.Config{Listener: network, Tick: -1})
	key := exchange.AddKey(deribittest.KeyConfig{Name: "engine"})
	s, err := session.Dial(t.Context(), session.Config{
		URL: exchange.URL(), NetDial: network.DialContext,
		Credentials: session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return newEngine(s, time.Second, log.New(io.Discard, "", 0)), exchange
}
