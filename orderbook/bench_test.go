package orderbook_test

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/orderbook"
)

// deep is a snapshot with so many levels of each side.
func deep(levels int) []byte {
	var text bytes.Buffer
	text.WriteString(`{"type":"snapshot","timestamp":1700000000000,"instrument_name":"BTC-PERPETUAL","change_id":1000000000`)
	for _, side := range []struct {
		name string
		step float64
	}{{"bids", -0.5}, {"asks", 0.5}} {
		fmt.Fprintf(&text, `,%q:[`, side.name)
		for i := range levels {
			if i > 0 {
				text.WriteByte(',')
			}
			fmt.Fprintf(&text, `["new",%.1f,%d.0]`, 50000+side.step*float64(i+1), 10*(i+1))
		}
		text.WriteByte(']')
	}
	text.WriteByte('}')
	return text.Bytes()
}

// changes makes messages of some 310 bytes, each of which follows the one before; they come and go near the spread.
type changes struct {
	text     []byte
	id, prev int // where the numbers stand in text
	last     int
}

func newChanges() *changes {
	text := `{"type":"change","timestamp":1700000000000,"prev_change_id":1000000000,"instrument_name":"BTC-PERPETUAL","change_id":1000000000,` +
		`"bids":[["delete",49998.5,0.0],["new",49998.25,20.0],["change",49997.0,40.0],["change",49996.5,1240.0]],` +
		`"asks":[["new",50001.25,10.0],["change",50003.0,110.0]]}`
	c := &changes{text: []byte(text), last: 1000000000}
	c.prev = bytes.Index(c.text, []byte("1000000000"))
	c.id = bytes.LastIndex(c.text, []byte("1000000000"))
	return c
}

// full is a snapshot for the changes to follow.
func (c *changes) full() []byte {
	text := deep(20)
	before, _, _ := bytes.Cut(text, []byte("1000000000"))
	strconv.AppendInt(before, int64(c.last), 10) // in place
	return text
}

func (c *changes) next() []byte {
	strconv.AppendInt(c.text[:c.prev], int64(c.last), 10)
	c.last++
	strconv.AppendInt(c.text[:c.id], int64(c.last), 10)
	return c.text
}

// TestApplyAllocatesNothing once a book has grown.
func TestApplyAllocatesNothing(t *testing.T) {
	var b orderbook.Book
	snapshot := deep(100)
	apply := func(text []byte) {
		if err := b.Apply(text); err != nil {
			t.Fatal(err)
		}
	}
	apply(snapshot)
	c := newChanges()
	apply(c.next())
	if allocs := testing.AllocsPerRun(200, func() { apply(c.next()) }); allocs != 0 {
		t.Errorf("a change: %v allocations", allocs)
	}
	if allocs := testing.AllocsPerRun(20, func() { apply(snapshot) }); allocs != 0 {
		t.Errorf("a snapshot: %v allocations", allocs)
	}
}

// BenchmarkApply asks what a change costs in a book of so many levels, and what a snapshot does.
func BenchmarkApply(b *testing.B) {
	for _, levels := range []int{20, 1000} {
		b.Run(fmt.Sprintf("message=change/levels=%d", levels), func(b *testing.B) {
			var book orderbook.Book
			if err := book.Apply(deep(levels)); err != nil {
				b.Fatal(err)
			}
			c := newChanges()
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := book.Apply(c.next()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("message=snapshot/levels=%d", levels), func(b *testing.B) {
			var book orderbook.Book
			text := deep(levels)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := book.Apply(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUnmarshal is the same message read by encoding/json.
func BenchmarkUnmarshal(b *testing.B) {
	c := newChanges()
	b.SetBytes(int64(len(c.text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := orderbook.Unmarshal(c.next()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBest asks what a look at the top costs while changes come.
func BenchmarkBest(b *testing.B) {
	var book orderbook.Book
	if err := book.Apply(deep(20)); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for c := newChanges(); ; {
			select {
			case <-ended:
				return
			default:
				if err := book.Apply(c.next()); err != nil {
					b.Error(err)
					return
				}
			}
		}
	})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if bid, ask, ok := book.Best(); ok && bid.Price >= ask.Price {
				b.Error("crossed")
			}
		}
	})
	close(ended)
	writer.Wait()
}
