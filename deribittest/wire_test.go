package deribittest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// A stall holds both directions, and lets everything through in order when it is over.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		c, other := dialMemory(t, s, l), dialMemory(t, s, l)
		c.call("public/subscribe", params{"channels": []string{book}})
		start := time.Now()
		stall := deribittest.Fault{Kind: deribittest.Stall, Conn: 1, For: 5 * time.Second}
		s.Inject(stall)
		s.Inject(stall) // stalled already
		ids := []string{c.start("public/test", nil), c.start("public/get_time", nil)}
		synctest.Wait()
		if st := s.Stats(); st.Calls["public/get_time"] != 0 {
			t.Errorf("the exchange took %v", st.Calls)
		}
		other.call("public/test", nil)
		for _, id := range ids {
			c.wait(id)
			if got := time.Since(start); got != 5*time.Second {
				t.Errorf("answered after %v, want 5s", got)
			}
		}
		c.call("public/test", nil)
		if st := s.Stats(); st.Faults[deribittest.Stall] != 1 {
			t.Errorf("counted %v", st.Faults)
		}
	})
}

// The exchange gives up a connection that is stalled for good, and its orders with it. The client is told nothing, and can
// close its end; or it waits as long as there is a server.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	for name, closes := range map[string]bool{"the client closes": true, "the server closes": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, l := memoryServer(t, deribittest.Config{})
				k := s.AddKey(deribittest.KeyConfig{})
				c, other := dialMemory(t, s, l), dialMemory(t, s, l)
				c.login(k, "")
				other.login(k, "")
				enable("connection")(c)
				c.rest("resting")
				c.call("public/set_heartbeat", params{"interval": 10})
				s.Inject(deribittest.Fault{Kind: deribittest.Stall, Conn: 1})
				var ended error
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _, ended = c.ws.Read(ctx)
				}()
				pass(time.Minute)
				if st := s.Stats(); st.OpenConnections != 1 {
					t.Errorf("%d connections after a minute without an answer to test_request", st.OpenConnections)
				}
				if got := other.open(); got != 0 {
					t.Errorf("%d orders left", got)
				}
				select {
				case <-done:
					t.Errorf("the client was told: %v", ended)
				default:
				}
				if closes {
					c.ws.CloseNow()
				} else if err := s.Close(); err != nil {
					t.Error(err)
				}
				<-done
				if ended == nil {
					t.Error("the client read on")
				}
			})
		})
	}
}

// Over TCP and TLS a connection that is stalled for good is silent, and holds nothing up that ends it.
func TestStallOverTCP(t *testing.T) {
	t.Parallel()
	trusted := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer trusted.Close()
	for name, cfg := range map[string]deribittest.Config{
		"TCP": {Tick: time.Millisecond}, "TLS": {Tick: time.Millisecond, TLS: &tls.Config{Certificates: trusted.TLS.Certificates}},
	} {
		s := newServer(t, cfg)
		c, other := connect(t, s, trusted.Client()), connect(t, s, trusted.Client())
		c.channels("public/subscribe", book)
		s.Inject(deribittest.Fault{Kind: deribittest.Stall, Conn: 1})
		c.start("public/get_time", nil)
		other.call("public/test", nil)
		start := time.Now()
		s.CutConnections()
		if st := s.Stats(); st.Calls["public/get_time"] != 0 || st.OpenConnections != 0 {
			t.Errorf("%s: counted %+v", name, st)
		}
		c.patience = 50 * time.Millisecond
		for {
			if _, err := c.read(); err != nil {
				if websocket.CloseStatus(err) != -1 || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: the client was told: %v", name, err)
				}
				break
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("%s: the end took %v", name, took)
		}
	}
}

// counted counts the reads of a connection by their size.
type counted struct {
	net.Conn
	sizes map[int]int
}

// Read implements [net.Conn].
func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.sizes[n]++
	return n, err
}

// Every read gives one byte, from the connection's first when it comes after the fault.
func TestSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		var conns []counted
		open := func() *client {
			c := connect(t, s, &http.Client{Transport: &http.Transport{
				DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := l.DialContext(ctx, network, addr)
					conns = append(conns, counted{conn, map[int]int{}})
					return conns[len(conns)-1], err
				},
			}})
			c.patience = time.Hour
			return c
		}
		first := open()
		first.call("public/test", nil)
		clear(conns[0].sizes)
		s.Inject(deribittest.Fault{Kind: deribittest.Segment})
		second := open()
		for i, c := range []*client{first, second} {
			c.call("public/subscribe", params{"channels": []string{book}})
			c.book(book)
			if sizes := conns[i].sizes; sizes[1] < 500 || len(sizes) != 1 {
				t.Errorf("connection %d: reads by size %v, want single bytes", i+1, sizes)
			}
		}
		if st := s.Stats(); st.Faults[deribittest.Segment] != 2 {
			t.Errorf("counted %v", st.Faults)
		}
	})
}

// Over TCP the pieces may be joined on their way; what they make up is the same.
func TestSegmentsOverTCP(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	s.Inject(deribittest.Fault{Kind: deribittest.Segment})
	c := dial(t, s)
	c.channels("public/subscribe", book)
	c.book(book)
	resp, err := http.Get(s.RESTURL() + "/public/get_time")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || !bytes.Contains(text, []byte("result")) {
		t.Errorf("REST: %s, %v", text, err)
	}
}
