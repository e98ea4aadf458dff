package orderbook_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/orderbook"
)

// truth is a book kept without thought: an amount for each price. Prices below 50 are bids.
type truth struct {
	id     int
	levels map[int]float64
}

const middle = 50

// change is one change of the truth, as a message. It never crosses.
func (m *truth) change(t *rapid.T) []byte {
	var sides [2][]any
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		price := rapid.IntRange(0, 2*middle).Draw(t, "price")
		amount := float64(rapid.IntRange(0, 3).Draw(t, "amount"))
		_, has := m.levels[price]
		action := "new"
		switch {
		case amount == 0 && !has:
			continue
		case amount == 0:
			action = "delete"
			delete(m.levels, price)
		case has:
			action = "change"
		}
		if amount > 0 {
			m.levels[price] = amount
		}
		side := price / middle
		sides[min(side, 1)] = append(sides[min(side, 1)], []any{action, scaled(price), amount})
	}
	previous := m.id
	m.id += rapid.IntRange(1, 5).Draw(t, "step")
	return m.message(map[string]any{"type": "change", "prev_change_id": previous, "bids": sides[0], "asks": sides[1]})
}

// scaled makes of a price one that has no short name in binary.
func scaled(price int) float64 { return float64(price) / 10 }

// complete and grouped are where the levels of the two forms of a whole book begin.
const (
	complete = iota // with an action
	grouped
)

// snapshot is the truth as a message of either form.
func (m *truth) snapshot(form int) []byte {
	var bids, asks []any
	for _, price := range slices.Backward(slices.Sorted(maps.Keys(m.levels))) {
		level := []any{"new", scaled(price), m.levels[price]}[form:]
		if price < middle {
			bids = append(bids, level)
		} else {
			asks = append(asks, level)
		}
	}
	slices.Reverse(asks)
	return m.message(map[string]any{"bids": bids, "asks": asks})
}

func (m *truth) message(members map[string]any) []byte {
	members["change_id"], members["instrument_name"], members["timestamp"] = m.id, "A", 1700000000000
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return text
}

// want is what a book shows that knows the truth.
func (m *truth) want(t *rapid.T) string {
	var b orderbook.Book
	if err := b.Apply(m.snapshot(grouped)); err != nil {
		t.Fatal(err)
	}
	v := b.View(-1)
	if len(v.Bids)+len(v.Asks) != len(m.levels) {
		t.Fatalf("%d levels of %d", len(v.Bids)+len(v.Asks), len(m.levels))
	}
	for _, l := range slices.Concat(v.Bids, v.Asks) {
		if m.levels[int(l.Price*10+0.5)] != l.Amount {
			t.Fatalf("%v is not in %v", l, m.levels)
		}
	}
	return shown(&b)
}

// TestBookIsTheTruthOrStale loses, repeats and mutilates messages: what a book shows is the truth as it was at the book's
// change id, or nothing; and a snapshot brings it back.
func TestBookIsTheTruthOrStale(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &truth{id: 1, levels: map[int]float64{}}
		at := map[int64]string{1: m.want(t)}
		var sent [][]byte
		var b orderbook.Book
		changed := func(t *rapid.T) []byte {
			sent = append(sent, m.change(t))
			at[int64(m.id)] = m.want(t)
			return sent[len(sent)-1]
		}
		t.Repeat(map[string]func(*rapid.T){
			"snapshot": func(t *rapid.T) {
				if err := b.Apply(m.snapshot(rapid.IntRange(complete, grouped).Draw(t, "form"))); err != nil || b.View(0).ChangeID != int64(m.id) {
					t.Fatalf("a snapshot: %v", err)
				}
			},
			"change": func(t *rapid.T) {
				before := b.View(0)
				follows := before.State == orderbook.Synced && before.ChangeID == int64(m.id)
				if err := b.Apply(changed(t)); follows != (err == nil) {
					t.Fatalf("a change after %+v: %v", before, err)
				}
			},
			"lose a change": func(t *rapid.T) { changed(t) },
			"repeat": func(t *rapid.T) {
				if len(sent) == 0 {
					t.Skip("nothing was sent")
				}
				before := b.View(0)
				err := b.Apply(rapid.SampledFrom(sent).Draw(t, "message"))
				if before.State == orderbook.Stale && !errors.Is(err, orderbook.ErrStale) {
					t.Fatalf("a change for a stale book: %v", err)
				}
			},
			"cut": func(t *rapid.T) {
				text := changed(t)
				if err := b.Apply(text[:rapid.IntRange(0, len(text)-1).Draw(t, "bytes")]); !errors.Is(err, orderbook.ErrMessage) {
					t.Fatalf("part of a message: %v", err)
				}
			},
			"": func(t *rapid.T) {
				wantSound(t, &b)
				if v := b.View(0); v.State == orderbook.Synced && shown(&b) != at[v.ChangeID] {
					t.Fatalf("shown is %s, true was %s", shown(&b), at[v.ChangeID])
				}
			},
		})
	})
}
