package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// books is an exchange that has books: who subscribes to one anew is sent a snapshot, who is subscribed to it is not.
type books struct {
	mu         sync.Mutex // protects the fields below
	ids        map[string]int
	subscribed map[*peer]map[string]bool
	asked      []time.Time // when subscribes came
	mute       bool        // it sends no snapshots
}

func newBooks(t *testing.T) (*books, *far, *session.Session) {
	t.Helper()
	b, f := newBookExchange(t)
	cfg := scripted(f)
	cfg.Heartbeat = -1 // nobody tests
	return b, f, dial(t, cfg)
}

func newBookExchange(t *testing.T) (*books, *far) {
	t.Helper()
	b := &books{ids: map[string]int{}, subscribed: map[*peer]map[string]bool{}}
	return b, newFar(t, script{
		"public/subscribe": func(p *peer, r request) {
			b.subscribe(p, channelsOf(r))
			p.comply(r)
		},
		"public/unsubscribe": func(p *peer, r request) {
			b.mu.Lock()
			for _, name := range channelsOf(r) {
				delete(b.subscribed[p], name)
			}
			b.mu.Unlock()
			p.comply(r)
		},
	})
}

func (b *books) subscribe(p *peer, names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, time.Now())
	if b.subscribed[p] == nil {
		b.subscribed[p] = map[string]bool{}
	}
	for _, name := range names {
		if !b.subscribed[p][name] && !b.mute && session.IsBookWithChain(name) {
			p.notify(name, fmt.Sprintf(`{"change_id":%d}`, b.id(name)))
		}
		b.subscribed[p][name] = true
	}
}

// id is the last change of a book, which begins with 100.
func (b *books) id(name string) int { return max(100, b.ids[name]) }

// change changes a book once, and tells those who are subscribed to it.
func (b *books) change(f *far, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.id(name)
	b.ids[name] = before + 1
	for _, p := range f.all() {
		if b.subscribed[p][name] {
			p.notify(name, fmt.Sprintf(`{"change_id":%d,"prev_change_id":%d}`, before+1, before))
		}
	}
}

// skip changes a book without a word: the next change breaks its chain.
func (b *books) skip(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ids[name] = b.id(name) + 1
}

func (b *books) silence(mute bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mute = mute
}

// subscribes is how often the exchange was asked to subscribe, and when.
func (b *books) subscribes() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// told is what a stream holds now, the ids of changes in short: 101 for one, =101 for a snapshot.
func told(t *testing.T, sub *session.Subscription) string {
	t.Helper()
	synctest.Wait()
	entries := waiting(t, sub)
	for i, e := range entries {
		e, _, isDelta := strings.Cut(strings.Trim(strings.Replace(e, `{"change_id":`, "=", 1), "}"), ",")
		if isDelta {
			e = strings.TrimPrefix(e, "=")
		}
		entries[i] = e
	}
	return strings.Join(entries, " ")
}

func wantTold(t *testing.T, who string, sub *session.Subscription, want string) {
	t.Helper()
	if got := told(t, sub); got != want {
		t.Errorf("%s was told %q, want %q", who, got, want)
	}
}

const (
	bookA = "book.A.raw"
	bookB = "book.B.raw"
)

// TestBrokenBookBeginsAnew is a break of one book's chain: after one marker in its place come a snapshot and what follows.
// The other book is left alone.
// Asks: cryptofeed#285, ccxt#29492, cryptofeed#291.
func TestBrokenBookBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f, s := newBooks(t)
		a, b := subscribe(t, s, session.SubscribeConfig{}, bookA), subscribe(t, s, session.SubscribeConfig{}, bookB)
		change := func() {
			exchange.change(f, bookA)
			exchange.change(f, bookB)
			synctest.Wait()
		}
		change()
		exchange.skip(bookA)
		change()
		change()
		wantTold(t, "the subscriber of the broken book", a, "=100 101 sequence/0 =103 104")
		wantTold(t, "the other", b, "=100 101 102 103")
		if got := s.Channels()[0]; got.Breaks != 1 || got.Gaps != 1 || got.Snapshots != 2 || got.LastChangeID != 104 || got.Notifications != 5 {
			t.Errorf("%+v", got)
		}
		for _, kind := range s.Stats().Kinds {
			if kind.Kind == "book" && (kind.Messages != 9 || kind.Gaps != 1) {
				t.Errorf("%+v", kind)
			}
		}
		if f.count("public/unsubscribe") != 1 || f.count("public/subscribe") != 3 {
			t.Errorf("%v", f.requests(0))
		}
	})
}

// TestBooksThatBreakTogetherBeginAnewTogether in one frame, for each costs credits.
func TestBooksThatBreakTogetherBeginAnewTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f, s := newBooks(t)
		var names []string
		for i := range 600 {
			names = append(names, fmt.Sprintf("book.%03d.raw", i))
		}
		sub := subscribe(t, s, session.SubscribeConfig{Buffer: 5000}, names...)
		asked := len(exchange.subscribes())
		for _, name := range names {
			exchange.skip(name)
		}
		for range 3 {
			for _, name := range names {
				exchange.change(f, name)
			}
		}
		<-time.After(10 * time.Second)
		if got := strings.Count(told(t, sub), "sequence"); got != len(names) {
			t.Errorf("%d of %d breaks were told", got, len(names))
		}
		for _, ch := range s.Channels() {
			if ch.Snapshots != 2 || ch.Breaks != 1 {
				t.Fatalf("%+v", ch)
			}
		}
		if n := len(exchange.subscribes()) - asked; n > 6 {
			t.Errorf("%d subscribes for %d books, of which 500 fit into one", n, len(names))
		}
	})
}

// TestBookThatBreaksAgainAndAgain is repaired with growing pauses: no storm, and no other book waits for it.
// Asks: cryptofeed#291, gocryptotrader#2337.
func TestBookThatBreaksAgainAndAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f, s := newBooks(t)
		subscribe(t, s, session.SubscribeConfig{}, bookA)
		b := subscribe(t, s, session.SubscribeConfig{}, bookB)
		start, asked := time.Now(), len(exchange.subscribes())
		for time.Since(start) < 10*time.Minute {
			exchange.skip(bookA)
			exchange.change(f, bookA)
			<-time.After(100 * time.Millisecond)
		}
		if n := len(exchange.subscribes()) - asked; n < 10 || n > 40 {
			t.Errorf("%d subscribes in ten minutes of breaks", n)
		}
		told(t, b)
		exchange.skip(bookB)
		exchange.change(f, bookB)
		wantTold(t, "the other", b, "sequence/0 =102")

		<-time.After(10 * time.Minute) // of calm
		asked = len(exchange.subscribes())
		exchange.skip(bookA)
		exchange.change(f, bookA)
		<-time.After(time.Millisecond)
		if n := len(exchange.subscribes()) - asked; n != 1 {
			t.Errorf("after a calm the book was asked for %d times at once, want once", n)
		}
	})
}

// TestSnapshotThatDoesNotCome is asked for until it does.
func TestSnapshotThatDoesNotCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f, s := newBooks(t)
		sub := subscribe(t, s, session.SubscribeConfig{}, bookA)
		exchange.silence(true)
		exchange.skip(bookA)
		exchange.change(f, bookA)
		<-time.After(time.Minute)
		if n := len(exchange.subscribes()); n < 4 || n > 12 {
			t.Errorf("asked %d times", n)
		}
		exchange.silence(false)
		<-time.After(2 * time.Minute)
		wantTold(t, "the subscriber", sub, "=100 sequence/0 =102")
	})
}

// TestRepairOverALostConnection: the next connection brings the snapshot, without a repair of its own.
func TestRepairOverALostConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f, s := newBooks(t)
		resubscribe := f.script["public/unsubscribe"]
		f.script["public/unsubscribe"] = func(p *peer, r request) {
			if p.number == 1 {
				p.close()
				return
			}
			resubscribe(p, r)
		}
		sub := subscribe(t, s, session.SubscribeConfig{}, bookA)
		exchange.skip(bookA)
		exchange.change(f, bookA)
		<-time.After(5 * time.Minute)
		exchange.change(f, bookA)
		wantTold(t, "the subscriber", sub, "=100 sequence/0 reconnect/0 =102 103")
		if n := f.count("public/unsubscribe"); n != 1 || s.Stats().Epoch != 2 {
			t.Errorf("%d unsubscribes, epoch %d", n, s.Stats().Epoch)
		}
	})
}

// TestBookThatIsRefusedWhenItBeginsAnew ends its subscription with the reason: its instrument has expired, say.
func TestBookThatIsRefusedWhenItBeginsAnew(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(*peer, request){
		"silently":    func(p *peer, r request) { p.answer(r, []string{}) },
		"by an error": refusing(13021, "forbidden"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				exchange, f, s := newBooks(t)
				sub := subscribe(t, s, session.SubscribeConfig{}, bookA)
				synctest.Wait()
				f.script["public/subscribe"] = refuse
				exchange.skip(bookA)
				exchange.change(f, bookA)
				<-time.After(time.Minute)
				refused, ok := errors.AsType[*session.SubscribeError](sub.Err())
				if !ok || len(refused.Refused) != 1 || s.Stats().Channels != 0 {
					t.Errorf("ended with %v, %d channels are desired", sub.Err(), s.Stats().Channels)
				}
			})
		})
	}
}

// TestSecondSubscriberOfABookHasASnapshot, and nothing of the book before it. The first is told where it missed something.
func TestSecondSubscriberOfABookHasASnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f, s := newBooks(t)
		first := subscribe(t, s, session.SubscribeConfig{}, bookA)
		exchange.change(f, bookA)
		synctest.Wait()

		second := subscribe(t, s, session.SubscribeConfig{}, bookA)
		synctest.Wait()
		exchange.change(f, bookA)
		exchange.change(f, bookA)
		wantTold(t, "the second", second, "=101 102 103")
		wantTold(t, "the first, who missed nothing,", first, "=100 101 =101 102 103")

		f.script["public/unsubscribe"] = func(p *peer, r request) {
			exchange.mu.Lock()
			delete(exchange.subscribed[p], bookA)
			exchange.mu.Unlock()
			exchange.change(f, bookA) // between the two requests
			p.comply(r)
		}
		third := subscribe(t, s, session.SubscribeConfig{}, bookA)
		synctest.Wait()
		exchange.change(f, bookA) // while the book's next repair is not due
		<-time.After(2 * time.Second)
		exchange.change(f, bookA)
		wantTold(t, "the first", first, "104 resync/0 =105 106")
		wantTold(t, "the second", second, "104 resync/0 =105 106")
		wantTold(t, "the third", third, "=105 106")
		if ch := s.Channels()[0]; ch.Breaks != 0 || ch.Gaps != 1 {
			t.Errorf("%+v", ch)
		}
	})
}

// TestSecondSubscriberBeforeTheFirstSnapshot needs no other one.
func TestSecondSubscriberBeforeTheFirstSnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		cfg := scripted(f)
		cfg.Heartbeat = -1
		s := dial(t, cfg)
		first := subscribe(t, s, session.SubscribeConfig{}, bookA)
		second := subscribe(t, s, session.SubscribeConfig{}, bookA)
		<-time.After(10 * time.Second)
		f.last().notify(bookA, `{"change_id":100}`)
		f.last().notify(bookA, `{"change_id":101,"prev_change_id":100}`)
		wantTold(t, "the first", first, "=100 101")
		wantTold(t, "the second", second, "=100 101")
		if n := f.count("public/subscribe"); n != 1 {
			t.Errorf("%d subscribes", n)
		}
	})
}

// TestCloseWithAContextThatHasEnded is a goroutine that leaves because its ctx has ended. The exchange is told, and who has the channel next
// is given it from the beginning.
func TestCloseWithAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, f, s := newBooks(t)
		ended, end := context.WithCancel(t.Context())
		end()
		for i := range 20 {
			first := subscribe(t, s, session.SubscribeConfig{}, bookA)
			synctest.Wait()
			if err := first.Close(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("Close: %v, want ctx's error", err)
			}
			if n := s.Stats().Channels; n != 0 {
				t.Errorf("%d channels after Close", n)
			}
			synctest.Wait()
			if n := f.count("public/unsubscribe"); n != i+1 {
				t.Fatalf("%d unsubscribes of %d", n, i+1)
			}
		}
		wantTold(t, "the next", subscribe(t, s, session.SubscribeConfig{}, bookA), "=100")
	})
}

// TestBookThatWasNotTakenBack: its last subscriber has left, and the exchange, which refused to hear of it, still has it subscribed.
func TestBookThatWasNotTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, f, s := newBooks(t)
		first := subscribe(t, s, session.SubscribeConfig{}, bookA)
		synctest.Wait()
		unsubscribe := f.script["public/unsubscribe"]
		f.script["public/unsubscribe"] = refusing(11050, "bad_request")
		if err := first.Close(t.Context()); !isA[*rpc.Error](err) {
			t.Errorf("Close: %v", err)
		}
		f.script["public/unsubscribe"] = unsubscribe
		second := subscribe(t, s, session.SubscribeConfig{}, bookA)
		wantTold(t, "the second", second, "=100")
	})
}

// TestLatecomerLeavesBeforeItsSnapshot: the one who stays is not disturbed.
func TestLatecomerLeavesBeforeItsSnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f, s := newBooks(t)
		first := subscribe(t, s, session.SubscribeConfig{}, bookA)
		synctest.Wait()
		exchange.silence(true)
		second := subscribe(t, s, session.SubscribeConfig{}, bookA)
		synctest.Wait()
		if err := second.Close(t.Context()); err != nil {
			t.Error(err)
		}
		asked := len(exchange.subscribes())
		<-time.After(10 * time.Minute)
		exchange.change(f, bookA)
		wantTold(t, "the first", first, "=100 101")
		if n := len(exchange.subscribes()) - asked; n != 0 || s.Stats().Channels != 1 {
			t.Errorf("%d subscribes more, %d channels", n, s.Stats().Channels)
		}
	})
}

// TestResync is a subscriber that has lost its book by its own doing. Its own stream is silent until the snapshot.
// Asks: gocryptotrader#2337.
func TestResync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f, s := newBooks(t)
		slow := subscribe(t, s, session.SubscribeConfig{Buffer: 3}, bookA)
		other := subscribe(t, s, session.SubscribeConfig{Handler: func(session.Notification) {}}, "ticker.A", bookB)
		for range 5 {
			exchange.change(f, bookA)
		}
		wantTold(t, "the slow one", slow, "overflow/3 103 104 105")
		exchange.mu.Lock() // it answers neither before both have asked
		for range 2 {
			if err := slow.Resync(bookA); err != nil {
				t.Error(err)
			}
		}
		exchange.mu.Unlock()
		exchange.change(f, bookA)
		synctest.Wait()
		exchange.change(f, bookA)
		if got := told(t, slow); got != "=105 106 107" && got != "=106 107" {
			t.Errorf("the slow one was told %q", got)
		}
		for sub, name := range map[*session.Subscription]string{slow: bookB, other: "ticker.A"} {
			if err := sub.Resync(name); !errors.Is(err, session.ErrConfig) || !strings.Contains(err.Error(), name) {
				t.Errorf("Resync of %s: %v", name, err)
			}
		}
		if n := f.count("public/unsubscribe"); n != 1 {
			t.Errorf("%d unsubscribes", n)
		}
	})
}

// TestHandlerMayAskForASnapshot on the reader's goroutine, which it must not keep waiting.
func TestHandlerMayAskForASnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f, s := newBooks(t)
		var sub *session.Subscription
		var handled []string
		sub = subscribe(t, s, session.SubscribeConfig{Handler: func(n session.Notification) {
			handled = append(handled, string(n.Data))
			if len(handled) == 2 {
				if err := sub.Resync(bookA); err != nil {
					t.Error(err)
				}
			}
		}}, bookA)
		exchange.change(f, bookA)
		synctest.Wait()
		exchange.change(f, bookA)
		synctest.Wait()
		wantEntries(t, handled, `{"change_id":100} {"change_id":101,"prev_change_id":100} {"change_id":101} {"change_id":102,"prev_change_id":101}`)
	})
}
