package session_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// Notifications of some 312 bytes, with a channel's number in them. A book's names itself as its predecessor, so that it
// can follow itself.
const (
	bookMessage = `{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.TEST-%05d.raw","data":` +
		`{"type":"change","timestamp":1700000000000,"prev_change_id":297218,"instrument_name":"TEST-PERPETUAL","change_id":297218,` +
		`"bids":[["delete",5041.94,0.0],["new",5042.34,20.0],["change",5042.64,40.0]],"asks":[["new",5043,10.0]]}}}`
	// bookSnapshot is what each book begins with.
	bookSnapshot = `{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.TEST-%05d.raw","data":` +
		`{"type":"snapshot","timestamp":1700000000000,"instrument_name":"TEST-PERPETUAL","change_id":297218,` +
		`"bids":[["new",5042.64,40.0]],"asks":[["new",5043,10.0]]}}}`
	tickerMessage = `{"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.TEST-%05d.raw","data":` +
		`{"timestamp":1700000000000,"state":"open","mark_price":5042.11,"last_price":5042.5,"index_price":5041.9,"open_interest":12345670,` +
		`"best_bid_price":5042.0,"best_bid_amount":1200.0,"best_ask_price":5042.5,"best_ask_amount":870}}}`
)

// feed is a Transport that brings a message for each of the channels in turn, as often as it is asked to.
type feed struct {
	message []byte
	number  []byte // the channel's, in message
	order   [][5]byte
	next    int // in order
	left    int
	started bool
	ask     chan int
	brought chan struct{}
}

func newFeed(format string, channels int) *feed {
	f := &feed{ask: make(chan int), brought: make(chan struct{})}
	f.say(format)
	for _, n := range rand.New(rand.NewPCG(1, 2)).Perm(channels) { // no prefetcher guesses it
		f.order = append(f.order, [5]byte(fmt.Appendf(nil, "%05d", n)))
	}
	return f
}

// say has the feed bring other messages from now on. It is not bringing any.
func (f *feed) say(format string) {
	f.message = fmt.Appendf(nil, format, 0)
	at := bytes.Index(f.message, []byte("00000.raw"))
	f.number = f.message[at : at+5]
}

// ReadMessage brings the next message.
func (f *feed) ReadMessage() ([]byte, error) {
	for f.left == 0 {
		if f.started {
			f.brought <- struct{}{}
		}
		n, more := <-f.ask
		if !more {
			return nil, io.EOF
		}
		f.left, f.started = n, true
	}
	f.left--
	if f.next == len(f.order) {
		f.next = 0
	}
	copy(f.number, f.order[f.next][:])
	f.next++
	return f.message, nil
}

// bring has n messages brought, and returns when they have been handled.
func (f *feed) bring(n int) {
	f.ask <- n
	<-f.brought
}

func (f *feed) WriteMessages(...[]byte) error { return nil }

func (f *feed) Close() error { return nil }

func BenchmarkDeliver(b *testing.B) {
	for _, kind := range []struct{ name, channel, first, message string }{
		{"book", "book.TEST-%05d.raw", bookSnapshot, bookMessage}, {"ticker", "ticker.TEST-%05d.raw", tickerMessage, tickerMessage},
	} {
		for _, n := range []struct{ channels, each int }{{10, 10}, {10_000, 10_000}, {10_000, 1}} { // channels of each subscription
			b.Run(fmt.Sprintf("kind=%s/channels=%d/each=%d", kind.name, n.channels, n.each), func(b *testing.B) {
				r := session.NewRegistry()
				handled := 0
				var names []string
				for i := range n.channels {
					names = append(names, fmt.Sprintf(kind.channel, i))
				}
				for some := range slices.Chunk(names, n.each) {
					if err := r.AddHandler(func(session.Notification) { handled++ }, some...); err != nil {
						b.Fatal(err)
					}
				}
				f := newFeed(kind.first, n.channels)
				conn := r.Conn(f)
				f.bring(n.channels)
				f.say(kind.message)
				handled = 0
				b.SetBytes(int64(len(f.message)))
				b.ReportAllocs()
				b.ResetTimer()
				f.bring(b.N)
				b.StopTimer()
				if handled != b.N {
					b.Errorf("%d of %d notifications were handled", handled, b.N)
				}
				close(f.ask)
				if err := conn.Close(); err != nil {
					b.Error(err)
				}
			})
		}
	}
}

// BenchmarkRing asks what a notification costs that waits for its consumer.
func BenchmarkRing(b *testing.B) {
	data := []byte(bookMessage)
	r := session.NewRing(session.DropOldest, 1024, 16<<20)
	c := r.Channel("book.TEST-00000.raw")
	ctx := b.Context()
	const batch = 64
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		c.Push(1, data)
		if i%batch == 0 {
			for range batch {
				r.Take(ctx)
			}
		}
	}
}

var _ rpc.Transport = (*feed)(nil)
