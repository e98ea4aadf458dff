package deribittest_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	if !strings.HasPrefix(s.URL(), "ws://127.0.0.1:") || !strings.HasSuffix(s.URL(), "/ws/api/v2") {
		t.Errorf("URL %s", s.URL())
	}
	if !strings.HasPrefix(s.RESTURL(), "http://127.0.0.1:") || !strings.HasSuffix(s.RESTURL(), "/api/v2") {
		t.Errorf("RESTURL %s", s.RESTURL())
	}
	ws, resp, err := websocket.Dial(t.Context(), s.URL()+"/", nil)
	if err != nil {
		t.Fatalf("with a slash at the end: %v, %v", resp, err)
	}
	ws.CloseNow()
}

func TestTLS(t *testing.T) {
	t.Parallel()
	trusted := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer trusted.Close()
	s := newServer(t, deribittest.Config{TLS: &tls.Config{Certificates: trusted.TLS.Certificates}})
	if !strings.HasPrefix(s.URL(), "wss://") || !strings.HasPrefix(s.RESTURL(), "https://") {
		t.Errorf("URLs %s, %s", s.URL(), s.RESTURL())
	}
	c := connect(t, s, trusted.Client())
	c.login(s.AddKey(deribittest.KeyConfig{}), "")
	if _, _, err := websocket.Dial(t.Context(), s.URL(), nil); err == nil {
		t.Error("a client that does not trust the certificate got in")
	}
}

// Close ends connections of every kind, and every goroutine, whatever they are doing; it may be called again.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble fails on what is left running
		s, l := memoryServer(t, deribittest.Config{Reorder: true})
		k := s.AddKey(deribittest.KeyConfig{})
		for range 4 {
			c := dialMemory(t, s, l)
			c.login(k, "")
			c.call("public/set_heartbeat", params{"interval": 10})
			c.start("public/test", nil)
		}
		if _, err := l.DialContext(t.Context(), "tcp", ""); err != nil { // one that never says a word
			t.Fatal(err)
		}
		synctest.Wait()
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if st := s.Stats(); st.OpenConnections != 0 {
			t.Errorf("%d connections open after Close", st.OpenConnections)
		}
	})
}

// A connection whose client does not read is dropped, and nobody else waits for it.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{SendBuffer: 100_000})
		slow, other := dialMemory(t, s, l), dialMemory(t, s, l)
		id := strings.Repeat("x", 30_000)
		for i := range 8 {
			text := fmt.Sprintf(`{"jsonrpc":"2.0","id":"%d%s","method":"public/test"}`, i, id)
			if slow.ws.Write(t.Context(), websocket.MessageText, []byte(text)) != nil {
				break // dropped meanwhile
			}
			synctest.Wait()
			if code := other.call("public/test", nil).code(); code != 0 {
				t.Errorf("the other connection: code %d", code)
			}
		}
		if st := s.Stats(); st.TooSlow != 1 || st.OpenConnections != 1 {
			t.Errorf("counted %+v, want one dropped and one open", st)
		}
	})
}

func TestReorder(t *testing.T) {
	t.Parallel()
	orders := make([]string, 2)
	for i := range orders {
		synctest.Test(t, func(t *testing.T) {
			s, l := memoryServer(t, deribittest.Config{Reorder: true, Seed: 7})
			c := dialMemory(t, s, l)
			c.login(s.AddKey(deribittest.KeyConfig{}), "")
			category := map[string]int{}
			var sent []string
			for range 50 {
				for i, method := range []string{"public/test", "private/get_access_log", "private/cancel_all"} {
					id := c.start(method, nil)
					category[id] = i
					sent = append(sent, id)
				}
				synctest.Wait()
			}
			var got []string
			for range sent {
				got = append(got, string(c.must().ID))
			}
			if slices.Equal(got, sent) {
				t.Error("every reply came in order")
			}
			for i := range 3 {
				other := func(id string) bool { return category[id] != i }
				if was, is := slices.DeleteFunc(slices.Clone(sent), other), slices.DeleteFunc(slices.Clone(got), other); !slices.Equal(was, is) {
					t.Errorf("category %d was sent %v and answered %v", i, was, is)
				}
			}
			orders[i] = strings.Join(got, " ")
		})
	}
	if orders[0] != orders[1] {
		t.Errorf("one seed, two orders:\n%s\n%s", orders[0], orders[1])
	}
}

// TestReorderOfNotifications: a snapshot and an order's event come before the reply of their call and behind it, and a book's snapshot is
// followed by its last change, or not. The book that comes of it is the same.
func TestReorderOfNotifications(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			s, l := memoryServer(t, deribittest.Config{Reorder: true, Seed: seed})
			k := s.AddKey(deribittest.KeyConfig{})
			first, c := dialMemory(t, s, l), dialMemory(t, s, l)
			for _, one := range []*client{first, c} {
				one.login(k, "")
			}
			first.channels("public/subscribe", raw)
			order := params{"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 1000}
			first.call("private/buy", order)
			id := c.start("public/subscribe", params{"channels": []string{raw}})
			<-time.After(10 * time.Millisecond) // no reply is held for longer
			first.call("private/buy", order)
			var got []string
			for at := int64(0); len(got) < 3; {
				m := c.must()
				if string(m.ID) == id {
					got = append(got, "reply")
					continue
				}
				var book struct {
					Type     string `json:"type"`
					ChangeID int64  `json:"change_id"`
				}
				if err := json.Unmarshal(m.Params.Data, &book); err != nil {
					t.Fatal(err)
				}
				if at != 0 && book.ChangeID != at {
					break // the next order's
				}
				at = book.ChangeID
				got = append(got, book.Type)
			}
			seen[strings.Join(got, " ")]++
		})
	}
	for _, want := range []string{"snapshot reply", "reply snapshot", "snapshot change reply", "reply snapshot change"} {
		if seen[want] == 0 {
			t.Errorf("never %s: %v", want, seen)
		}
	}
}

// A reader that is dropped while the market's events are handed out, and whose orders are cancelled for that, does not
// disturb the order in which others get them. The sizes of the buffer make it fall behind at different events.
func TestDroppedReaderKeepsTheOrderOfOthers(t *testing.T) {
	t.Parallel()
	for size := 20_000; size < 24_000; size += 200 {
		synctest.Test(t, func(t *testing.T) {
			s, l := memoryServer(t, deribittest.Config{SendBuffer: size})
			k := s.AddKey(deribittest.KeyConfig{})
			slow, follower := dialMemory(t, s, l), dialMemory(t, s, l)
			for _, c := range []*client{slow, follower} {
				c.login(k, "")
				c.channels("public/subscribe", "ticker.BTC-PERPETUAL.raw", "quote.BTC-PERPETUAL", raw, "book.ETH-PERPETUAL.raw")
			}
			last := follower.book(raw).ChangeID
			enable("connection")(slow)
			slow.rest("resting")
			for s.Stats().TooSlow == 0 {
				s.Tick()
				synctest.Wait()
				follower.call("public/test", nil)
				for slices.ContainsFunc(follower.seen, func(a answer) bool { return a.Params.Channel == raw }) {
					e := follower.book(raw)
					if e.Previous != last {
						t.Fatalf("buffer of %d: %+v after %d", size, e, last)
					}
					last = e.ChangeID
				}
			}
			if got := follower.open(); got != 0 {
				t.Errorf("%d orders left of the reader dropped", got)
			}
		})
	}
}

// OnFrame is told of every message both ways, with the method that a reply answers.
func TestOnFrame(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var frames []string
	s := newServer(t, deribittest.Config{Tick: -1, OnFrame: func(f deribittest.Frame) {
		mu.Lock()
		defer mu.Unlock()
		frames = append(frames, fmt.Sprint(f.Conn, f.Incoming, " ", f.Method))
	}})
	c := dial(t, s)
	c.call("public/test", nil)
	c.send("{")
	c.must()
	send(t, request(t, http.MethodGet, s.RESTURL()+"/public/get_time", ""))
	want := []string{"1 true public/test", "1 false public/test", "1 true ", "1 false ", "0 true public/get_time", "0 false public/get_time"}
	mu.Lock()
	defer mu.Unlock()
	if got, want := strings.Join(frames, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("told of\n%s\nwant\n%s", got, want)
	}
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		c := dialMemory(t, s, l)
		c.login(s.AddKey(deribittest.KeyConfig{}), "")
		c.call("public/test", nil)
		c.call("public/nothing", nil)
		c.call("private/reset_api_key", nil)
		synctest.Wait()
		st := s.Stats()
		if st.Connections != 1 || st.OpenConnections != 1 || st.Authentications != 1 || st.FramesIn != 4 || st.FramesOut != 4 {
			t.Errorf("counted %+v", st)
		}
		if len(st.Calls) != 3 || st.Calls["private/reset_api_key"] != 1 {
			t.Errorf("calls %v", st.Calls)
		}
	})
}
