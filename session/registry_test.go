package session_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

func add(t *testing.T, r *session.Registry, names ...string) *session.RegistrySub {
	t.Helper()
	sub, err := r.Add(names...)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// buffered is what a sink's stream holds now.
func buffered(t *testing.T, sub *session.RegistrySub) []string {
	t.Helper()
	var got []string
	for n, err := range sub.Waiting() {
		got = append(got, describe(n, err))
	}
	return got
}

func TestRegistrySharesChannels(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	first, second := add(t, r, "a", "b"), add(t, r, "b", "c")
	r.Deliver(1, `{"channel":"b","data":1}`)
	r.Deliver(1, `{"channel":"c","data":2}`)
	r.Deliver(1, `{"channel":"nobody's","data":3}`)
	r.Deliver(1, `no notification`)
	wantEntries(t, buffered(t, first), "1")
	wantEntries(t, buffered(t, second), "1 2")

	if unwanted := first.Drop("a", "b"); !slices.Equal(unwanted, []string{"a"}) {
		t.Errorf("unwanted = %q: b has another subscriber", unwanted)
	}
	if unwanted := first.Drop("a", "b"); len(unwanted) > 0 {
		t.Errorf("unwanted = %q at the second drop", unwanted)
	}
	if unwanted := second.Drop("b"); !slices.Equal(unwanted, []string{"b"}) || !slices.Equal(second.Names(), []string{"c"}) {
		t.Errorf("unwanted = %q, left %q", unwanted, second.Names())
	}
	second.Drop("c")
	if r.Len() != 0 {
		t.Errorf("%d channels are remembered that nobody listens to", r.Len())
	}
}

func TestRegistryCountsByKind(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	first := add(t, r, "ticker.A.raw", "ticker.B.raw", "trades.A.raw")
	for _, channel := range []string{"ticker.A.raw", "ticker.A.raw", "ticker.B.raw", "trades.A.raw", "ticker.C.raw"} {
		r.Deliver(1, `{"channel":"`+channel+`","data":1}`)
	}
	want := func(kind string, messages uint64) {
		t.Helper()
		if got := r.Messages(kind); got != messages {
			t.Errorf("%d messages of kind %s, want %d", got, kind, messages)
		}
	}
	want("ticker", 3)
	want("trades", 1)
	first.Drop("ticker.A.raw")
	want("ticker", 3)
	add(t, r, "ticker.A.raw")
	r.Deliver(1, `{"channel":"ticker.A.raw","data":1}`)
	want("ticker", 4)
}

func TestRegistryTapsDoNotSubscribe(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	var seen []string
	remove := r.Tap("a", func(n session.Notification) { seen = append(seen, string(n.Data)) })
	if names := r.Unconfirmed(1); len(names) > 0 {
		t.Errorf("a tap makes %q desired", names)
	}
	sub := add(t, r, "a")
	r.Deliver(1, `{"channel":"a","data":1}`)
	remove()
	remove() // harmless
	r.Deliver(1, `{"channel":"a","data":2}`)
	if !slices.Equal(seen, []string{"1"}) {
		t.Errorf("the tap saw %q", seen)
	}
	wantEntries(t, buffered(t, sub), "1 2")
	sub.Drop("a")
	if r.Len() != 0 {
		t.Errorf("%d channels left", r.Len())
	}
}

func TestRegistryUnconfirmedIsPrivateFirstAndStable(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	add(t, r, "ticker.B", "user.orders.x", "book.A", "user.lock")
	want := []string{"user.lock", "user.orders.x", "book.A", "ticker.B"}
	if got := r.Unconfirmed(1); !slices.Equal(got, want) {
		t.Errorf("unconfirmed = %q, want %q", got, want)
	}
	r.Confirm(1, "book.A", "user.lock", "never asked for")
	if got := r.Unconfirmed(1); !slices.Equal(got, []string{"user.orders.x", "ticker.B"}) {
		t.Errorf("unconfirmed = %q", got)
	}
	if got := r.Unconfirmed(2); !slices.Equal(got, want) {
		t.Errorf("on the next connection: unconfirmed = %q, want %q", got, want)
	}
}

func TestRegistryRefuse(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	both, only, other := add(t, r, "a", "b"), add(t, r, "b"), add(t, r, "c")
	r.Refuse("b")
	if only.Err() == nil || both.Err() != nil || other.Err() != nil {
		t.Errorf("ended: only %v, both %v, other %v", only.Err(), both.Err(), other.Err())
	}
	refused, ok := errors.AsType[*session.SubscribeError](only.Err())
	if !ok || !slices.Equal(refused.Refused, []string{"b"}) {
		t.Errorf("only ended with %v", only.Err())
	}
	for _, err := range both.Stream(t.Context()) {
		if refused, ok := errors.AsType[*session.SubscribeError](err); !ok || !slices.Equal(refused.Refused, []string{"b"}) {
			t.Errorf("both was told %v", err)
		}
		break
	}
	if !slices.Equal(both.Names(), []string{"a"}) || r.Len() != 2 {
		t.Errorf("both has %q, %d channels in all", both.Names(), r.Len())
	}
}

func TestRegistryLostMarksWhatWasFed(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	fed, unfed := add(t, r, "a"), add(t, r, "b")
	r.Confirm(1, "a")
	r.Lost(1)
	r.Lost(2)                                // it never fed anybody
	r.Deliver(3, `{"channel":"b","data":1}`) // before its reply
	r.Lost(3)
	wantEntries(t, buffered(t, fed), "reconnect/0")
	wantEntries(t, buffered(t, unfed), "1 reconnect/0")
}

// TestRegistryChainEndsWithItsConnection: a reconnect has its own marker, and nothing follows it before a snapshot does.
func TestRegistryChainEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	sub := add(t, r, "book.A.raw")
	r.Deliver(1, `{"channel":"book.A.raw","data":{"change_id":5}}`)
	r.Deliver(2, `{"channel":"book.A.raw","data":{"change_id":9,"prev_change_id":8}}`)
	r.Deliver(2, `{"channel":"book.A.raw","data":{"change_id":10}}`)
	r.Deliver(2, `{"channel":"book.A.raw","data":{"change_id":12,"prev_change_id":11}}`)
	wantEntries(t, buffered(t, sub), `{"change_id":5} {"change_id":10} sequence/0`)
}

// TestRegistryChainBeginsWithItsSubscription: what a handler saw in between is no part of it.
func TestRegistryChainBeginsWithItsSubscription(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	r.Tap("book.A.raw", func(session.Notification) {})
	r.Deliver(1, `{"channel":"book.A.raw","data":{"change_id":1}}`)
	add(t, r, "book.A.raw").Drop("book.A.raw")
	r.Deliver(1, `{"channel":"book.A.raw","data":{"change_id":2,"prev_change_id":1}}`) // before it was taken back
	sub := add(t, r, "book.A.raw")
	r.Deliver(1, `{"channel":"book.A.raw","data":{"change_id":9}}`)
	add(t, r, "book.A.raw")
	r.Deliver(1, `{"channel":"book.A.raw","data":{"change_id":11,"prev_change_id":10}}`)
	wantEntries(t, buffered(t, sub), `{"change_id":9} sequence/0`)
}

func TestRegistryEnd(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	sub := add(t, r, "a")
	r.End(io.EOF)
	if !errors.Is(sub.Err(), io.EOF) {
		t.Errorf("ended with %v", sub.Err())
	}
	if _, err := r.Add("b"); !errors.Is(err, io.EOF) {
		t.Errorf("a subscription after the end: %v", err)
	}
}
