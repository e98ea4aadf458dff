package deribittest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest"
)

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		c := dialMemory(t, s, l)
		start := time.Now()
		if got := result[string](t, c.call("public/set_heartbeat", params{"interval": 10})); got != "ok" {
			t.Errorf("set_heartbeat: %q", got)
		}
		for i := 1; i <= 3; i++ {
			for _, kind := range []string{"heartbeat", "test_request"} {
				if a := c.must(); a.Method != "heartbeat" || a.Params.Type != kind {
					t.Fatalf("beat %d: %+v, want %s", i, a, kind)
				}
			}
			if got := time.Since(start); got != time.Duration(i)*10*time.Second {
				t.Errorf("beat %d after %v", i, got)
			}
			c.call("public/test", nil)
		}
		// Any other call does not answer a test_request.
		c.notificationOfKind("test_request")
		c.call("public/get_time", nil)
		if code := c.closed(); code != -1 {
			t.Errorf("close code %d, want a cut", code)
		}
		if got := time.Since(start); got != 50*time.Second {
			t.Errorf("cut after %v, want 50s", got)
		}
	})
}

// notificationOfKind reads on to a heartbeat message of the kind.
func (c *client) notificationOfKind(kind string) {
	c.t.Helper()
	for c.must().Params.Type != kind {
	}
}

func TestHeartbeatGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{HeartbeatGrace: 3 * time.Second})
		c := dialMemory(t, s, l)
		start := time.Now()
		c.call("public/set_heartbeat", params{"interval": 30})
		c.closed()
		if got := time.Since(start); got != 33*time.Second {
			t.Errorf("cut after %v, want 33s", got)
		}
	})
}

// A new interval starts everything again.
func TestHeartbeatSetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		c := dialMemory(t, s, l)
		start := time.Now()
		c.call("public/set_heartbeat", params{"interval": 10})
		c.notificationOfKind("test_request")
		c.call("public/set_heartbeat", params{"interval": 30})
		c.notificationOfKind("test_request")
		if got := time.Since(start); got != 40*time.Second {
			t.Errorf("second test_request after %v, want 40s", got)
		}
	})
}

func TestHeartbeatDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		c := dialMemory(t, s, l)
		c.call("public/set_heartbeat", params{"interval": 10})
		c.notificationOfKind("test_request")
		c.call("public/disable_heartbeat", nil)
		start := time.Now()
		if code := c.closed(); code != -1 {
			t.Errorf("close code %d, want a cut", code)
		}
		if got := time.Since(start); got != 10*time.Minute {
			t.Errorf("cut after %v of inactivity, want 10m", got)
		}
		if len(c.seen) != 0 {
			t.Errorf("after disable_heartbeat: %+v", c.seen)
		}
	})
}

func TestHeartbeatRange(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	c := dial(t, s)
	for interval, want := range map[any]int{10: 0, 10.5: 0, 9.9: -32602, 0: -32602, -1: -32602, 1e300: -32602, "ten": -32602} {
		if code := c.call("public/set_heartbeat", params{"interval": interval}).code(); code != want {
			t.Errorf("interval %v: code %d, want %d", interval, code, want)
		}
	}
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	for range 32 {
		dial(t, s)
	}
	_, resp, err := websocket.Dial(t.Context(), s.URL(), nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("33rd connection: %v, %v; want status 429", resp, err)
	}
	if st := s.Stats(); st.Connections != 32 || st.OpenConnections != 32 {
		t.Errorf("counted %+v", st)
	}
	s.CutConnections()
	if st := s.Stats(); st.OpenConnections != 0 {
		t.Errorf("%d open after CutConnections", st.OpenConnections)
	}
	dial(t, s)
}

func TestLogout(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	for _, tt := range []struct {
		p    params
		code int // of the session's token afterwards
	}{{params{}, 13009}, {params{"invalidate_token": true}, 13009}, {params{"invalidate_token": false}, 0}} {
		c, other := dial(t, s), dial(t, s)
		sibling := other.login(k, "session:x")
		shared := c.login(k, "session:x")
		c.start("private/logout", tt.p)
		if code := c.closed(); code != websocket.StatusNormalClosure {
			t.Errorf("logout %v: close code %d, want normal closure", tt.p, code)
		}
		if len(c.seen) != 0 {
			t.Errorf("logout %v answered %+v", tt.p, c.seen)
		}
		for _, token := range []string{shared.AccessToken, sibling.AccessToken} {
			if code := other.call("private/get_access_log", params{"access_token": token}).code(); code != tt.code {
				t.Errorf("token after logout %v: code %d, want %d", tt.p, code, tt.code)
			}
		}
	}
}

func TestBinaryMessageCloses(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	c := dial(t, s)
	if err := c.ws.Write(t.Context(), websocket.MessageBinary, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	// What comes after it is not served. The server may have closed already, then the write fails.
	_ = c.ws.Write(t.Context(), websocket.MessageText, []byte(`{"jsonrpc":"2.0","id":1,"method":"public/test"}`))
	if code := c.closed(); code != websocket.StatusUnsupportedData {
		t.Errorf("close code %d, want unsupported data", code)
	}
	if st := s.Stats(); len(c.seen) != 0 || st.Calls["public/test"] != 0 {
		t.Errorf("served afterwards: %+v, %v", c.seen, st.Calls)
	}
}

// A connection that is to be closed, and whose client does not read what is still queued for it, is cut after a grace.
func TestCloseDoesNotWaitForASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		slow := dialMemory(t, s, l)
		slow.login(s.AddKey(deribittest.KeyConfig{}), "")
		id := strings.Repeat("x", 30_000)
		for i := range 8 {
			slow.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":"%d%s","method":"public/test"}`, i, id))
		}
		slow.start("private/logout", nil)
		synctest.Wait()
		if n := s.Stats().OpenConnections; n != 1 {
			t.Errorf("%d connections at once, want the one that has replies to read", n)
		}
		<-time.After(10 * time.Second)
		synctest.Wait()
		if n := s.Stats().OpenConnections; n != 0 {
			t.Errorf("%d connections after the grace", n)
		}
	})
}
