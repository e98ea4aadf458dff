package orderbook_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/orderbook"
)

// The messages of the exchange's own documentation.
const (
	documentedSnapshot = `{"type":"snapshot","timestamp":1554373962454,"instrument_name":"BTC-PERPETUAL","change_id":297217,` +
		`"bids":[["new",5042.34,30],["new",5041.94,20]],"asks":[["new",5042.64,40],["new",5043.3,40]]}`
	documentedChange = `{"type":"change","timestamp":1554373911330,"prev_change_id":297217,"instrument_name":"BTC-PERPETUAL",` +
		`"change_id":297218,"bids":[["delete",5041.94,0],["delete",5042.34,0]],"asks":[]}`
	documentedGrouped = `{"timestamp":1554375447971,"instrument_name":"ETH-PERPETUAL","change_id":109615,"bids":[[160,40]],"asks":[[161,20]]}`
)

// shown is what a book shows, in short: "id: bids | asks", or "stale".
func shown(b *orderbook.Book) string {
	v := b.View(-1)
	bid, ask, ok := b.Best()
	if v.State == orderbook.Stale {
		if len(v.Bids)+len(v.Asks) > 0 || ok || bid.Amount+ask.Amount != 0 {
			return "stale, but with prices"
		}
		return v.State.String()
	}
	side := func(levels []orderbook.Level) string {
		var text []string
		for _, l := range levels {
			text = append(text, fmt.Sprintf("%vx%v", l.Amount, l.Price))
		}
		return strings.Join(text, " ")
	}
	return strings.TrimSpace(fmt.Sprintf("%d: %s | %s", v.ChangeID, side(v.Bids), side(v.Asks)))
}

func TestDocumentedMessages(t *testing.T) {
	t.Parallel()
	var b orderbook.Book
	for _, step := range []struct{ message, instrument, want string }{
		{documentedSnapshot, "BTC-PERPETUAL", "297217: 30x5042.34 20x5041.94 | 40x5042.64 40x5043.3"},
		{documentedChange, "BTC-PERPETUAL", "297218:  | 40x5042.64 40x5043.3"},
		{documentedGrouped, "ETH-PERPETUAL", "109615: 40x160 | 20x161"},
	} {
		if err := b.Apply([]byte(step.message)); err != nil || shown(&b) != step.want || b.View(0).Instrument != step.instrument {
			t.Errorf("%s, %v, want %s of %s", shown(&b), err, step.want, step.instrument)
		}
	}
	if got := b.View(-1).Time; !got.Equal(time.UnixMilli(1554375447971)) {
		t.Errorf("time %v", got)
	}
}

func TestZeroBookIsStale(t *testing.T) {
	t.Parallel()
	var b orderbook.Book
	if v := b.View(-1); shown(&b) != "stale" || b.State() != orderbook.Stale || !v.Time.IsZero() || v.ChangeID != 0 {
		t.Errorf("%+v", v)
	}
	if err := b.Apply([]byte(documentedChange)); !errors.Is(err, orderbook.ErrStale) || shown(&b) != "stale" {
		t.Errorf("a change: %v, %s", err, shown(&b))
	}
}

// is reports whether an error is of a type, or matches nothing for nil.
func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func matches(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

const snapshot = `{"type":"snapshot","instrument_name":"A","change_id":10,"bids":[["new",99,1],["new",98,2]],"asks":[["new",101,3]]}`

// TestApply takes in a snapshot and then one message. What is refused leaves the book stale until a snapshot comes.
func TestApply(t *testing.T) {
	t.Parallel()
	change := func(id, previous int, bids, asks string) string {
		return fmt.Sprintf(`{"type":"change","instrument_name":"A","change_id":%d,"prev_change_id":%d,"bids":[%s],"asks":[%s]}`, id, previous, bids, asks)
	}
	none := matches(nil)
	message := matches(orderbook.ErrMessage)
	for _, c := range []struct {
		name, message string
		err           func(error) bool
		want          string
	}{
		{"new", change(11, 10, `["new",98.5,4]`, `["new",102,5]`), none, "11: 1x99 4x98.5 2x98 | 3x101 5x102"},
		{"a better price", change(11, 10, `["new",99.5,4]`, `["new",100,5]`), none, "11: 4x99.5 1x99 2x98 | 5x100 3x101"},
		{"change", change(11, 10, `["change",99,7]`, ``), none, "11: 7x99 2x98 | 3x101"},
		{"delete", change(11, 10, `["delete",99,0]`, `["delete",101,0]`), none, "11: 2x98 |"},
		{"delete with an amount", change(11, 10, `["delete",99,5]`, ``), none, "11: 2x98 | 3x101"},
		{"delete what is not there", change(11, 10, `["delete",97,0]`, ``), none, "11: 1x99 2x98 | 3x101"},
		{"change what is not there", change(11, 10, `["change",97,1]`, ``), none, "11: 1x99 2x98 1x97 | 3x101"},
		{"new for what is there", change(11, 10, `["new",99,9]`, ``), none, "11: 9x99 2x98 | 3x101"},
		{"an amount of nothing", change(11, 10, `["change",99,0.0]`, ``), none, "11: 2x98 | 3x101"},
		{"another spelling", change(11, 10, `["delete",9.9e1,0]`, `["change",1.01E+2,3e0]`), none, "11: 2x98 | 3x101"},
		{"moves through the spread", change(11, 10, `["new",101.5,1]`, `["delete",101,0],["new",102,1]`), none, "11: 1x101.5 1x99 2x98 | 1x102"},
		{"nothing", change(11, 10, ``, ``), none, "11: 1x99 2x98 | 3x101"},
		{"a repetition", change(10, 9, `["delete",99,0]`, ``), none, "10: 1x99 2x98 | 3x101"},
		{"an old one", change(7, 6, `["delete",99,0]`, ``), none, "10: 1x99 2x98 | 3x101"},
		{"another snapshot", strings.Replace(snapshot, "98", "97", 1), none, "10: 1x99 2x97 | 3x101"},
		{"an older snapshot", `{"change_id":3,"bids":[],"asks":[["new",1,1]]}`, none, "3:  | 1x1"},
		{"grouped", `{"change_id":30,"bids":[[90,1],[80,0]],"asks":[[100,1]]}`, none, "30: 1x90 | 1x100"},
		{"negative prices", `{"change_id":30,"bids":[["new",-2,1],["new",-1,1]],"asks":[["new",0.5,1]]}`, none, "30: 1x-1 1x-2 | 1x0.5"},
		{"empty", `{"change_id":30}`, none, "30:  |"},

		{"one is missing", change(12, 11, ``, ``), is[*orderbook.ChainError], "stale"},
		{"crossed", change(11, 10, `["new",102,1]`, ``), is[*orderbook.CrossedError], "stale"},
		{"locked", change(11, 10, ``, `["new",99,1]`), is[*orderbook.CrossedError], "stale"},
		{"a crossed snapshot", `{"change_id":30,"bids":[["new",2,1]],"asks":[["new",1,1]]}`, is[*orderbook.CrossedError], "stale"},
		{"another instrument", strings.Replace(change(11, 10, ``, ``), `"A"`, `"B"`, 1), message, "stale"},
		{"no JSON", `{"change_id":11`, message, "stale"},
		{"no message", `"change_id"`, message, "stale"},
		{"null", `null`, message, "stale"},
		{"no change id", `{"type":"snapshot","bids":[],"asks":[]}`, message, "stale"},
		{"a type of its own", `{"type":"update","change_id":11}`, message, "stale"},
		{"a snapshot that follows", `{"type":"snapshot","change_id":11,"prev_change_id":10}`, message, "stale"},
		{"a change that follows nothing", `{"type":"change","change_id":11}`, message, "stale"},
		{"a snapshot that deletes", `{"change_id":11,"bids":[["delete",1,1]]}`, message, "stale"},
		{"a change without actions", change(11, 10, `[99,1]`, ``), message, "stale"},
		{"an unknown action", change(11, 10, `["remove",99,1]`, ``), message, "stale"},
		{"a negative amount", change(11, 10, `["new",98,-1]`, ``), message, "stale"},
		{"a price as text", change(11, 10, `["new","98",1]`, ``), message, "stale"},
		{"a level of one", change(11, 10, `[98]`, ``), message, "stale"},
		{"a level of four", change(11, 10, `["new",98,1,1]`, ``), message, "stale"},
		{"a price twice", `{"change_id":11,"bids":[[1,1],[2,1],[1,3]]}`, message, "stale"},
		{"too great a number", change(11, 10, `["new",1e999,1]`, ``), message, "stale"},
		{"an id that is too great", `{"change_id":99999999999999999999}`, message, "stale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b orderbook.Book
			if err := b.Apply([]byte(snapshot)); err != nil {
				t.Fatal(err)
			}
			err := b.Apply([]byte(c.message))
			if !c.err(err) || shown(&b) != c.want {
				t.Errorf("%s, error %v, want %s", shown(&b), err, c.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "orderbook: ") {
				t.Errorf("the error reads %q", err)
			}
			if c.want != "stale" {
				return
			}
			if err := b.Apply([]byte(change(11, 10, ``, ``))); !errors.Is(err, orderbook.ErrStale) || shown(&b) != "stale" {
				t.Errorf("a change for the stale book: %v, %s", err, shown(&b))
			}
			if err := b.Apply([]byte(snapshot)); err != nil || b.State() != orderbook.Synced {
				t.Errorf("a snapshot for the stale book: %v, %s", err, shown(&b))
			}
		})
	}
}

func TestErrorsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	chain := &orderbook.ChainError{Last: 10, Previous: 11, ChangeID: 12}
	crossed := &orderbook.CrossedError{Bid: orderbook.Level{Price: 2.5, Amount: 1}, Ask: orderbook.Level{Price: 2, Amount: 1}, ChangeID: 7}
	for err, want := range map[error]string{
		chain:   "orderbook: chain: change 12 follows 11, but the last was 10",
		crossed: "orderbook: crossed: bid 2.5 is not below ask 2 after change 7",
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	if got := orderbook.State(9).String(); got != "State(9)" {
		t.Errorf("%q", got)
	}
}

// TestDepth is how much of a book a reader is given, in whose memory.
func TestDepth(t *testing.T) {
	var b orderbook.Book
	if err := b.Apply([]byte(snapshot)); err != nil {
		t.Fatal(err)
	}
	for depth, want := range map[int][2]int{-1: {2, 1}, 0: {0, 0}, 1: {1, 1}, 2: {2, 1}, 9: {2, 1}} {
		if v := b.View(depth); len(v.Bids) != want[0] || len(v.Asks) != want[1] {
			t.Errorf("depth %d: %d and %d levels, want %v", depth, len(v.Bids), len(v.Asks), want)
		}
	}
	v := b.View(-1)
	v.Bids[0].Price = 0
	if bid, _, _ := b.Best(); bid.Price != 99 {
		t.Error("a view's levels are the book's")
	}
	allocs := testing.AllocsPerRun(100, func() {
		b.Fill(&v, -1)
		if bid, _, ok := b.Best(); !ok || v.Bids[0] != bid {
			t.Error("the view is not the book")
		}
	})
	if allocs != 0 {
		t.Errorf("Fill and Best allocate %v times", allocs)
	}
	b.Invalidate()
	if b.Fill(&v, -1); shown(&b) != "stale" || len(v.Bids) != 0 {
		t.Errorf("an invalid book shows %s", shown(&b))
	}
}
