package deribittest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest"
)

func TestMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const channel = "platform_state"
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{})
		c, silent := dialMemory(t, s, l), dialMemory(t, s, l)
		c.login(k, "")
		c.channels("public/subscribe", channel, raw)
		c.notification(raw)
		for range 2 { // the second time it is on already
			s.SetPlatform(deribittest.Platform{Maintenance: true})
		}
		for _, c := range []*client{c, silent} {
			if a := c.must(); a.ID != nil || a.code() != 11051 || a.Error.Message != "system_maintenance" {
				t.Errorf("told %+v", a)
			}
		}
		if got := string(c.notification(channel).Params.Data); got != `{"maintenance":true}` {
			t.Errorf("%s: %s", channel, got)
		}
		published := s.Published(raw)
		for range 20 {
			s.Tick()
		}
		for _, method := range []string{"public/get_time", "public/test", "private/get_positions", "private/buy", "public/auth"} {
			if code := c.call(method, nil).code(); code != 11051 {
				t.Errorf("%s: code %d, want 11051", method, code)
			}
		}
		if len(c.seen) > 0 || s.Published(raw) != published {
			t.Errorf("the market goes on: %+v", c.seen)
		}
		_, resp, err := websocket.Dial(t.Context(), s.URL(), &websocket.DialOptions{HTTPClient: memoryHTTP(l)})
		if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("handshake: %v, %v; want status 503", resp, err)
		}
		s.SetPlatform(deribittest.Platform{})
		for s.Published(raw) == published {
			s.Tick()
		}
		for method, p := range map[string]params{"public/get_time": nil, "private/get_positions": nil} {
			if code := c.call(method, p).code(); code != 0 {
				t.Errorf("%s after the end: code %d", method, code)
			}
		}
		dialMemory(t, s, l).call("public/test", nil)
	})
}

// Heartbeats go on during maintenance, and an answer that is refused is one.
func TestMaintenanceKeepsHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		c := dialMemory(t, s, l)
		c.call("public/set_heartbeat", params{"interval": 10})
		s.SetPlatform(deribittest.Platform{Maintenance: true})
		start := time.Now()
		for range 6 {
			c.notificationOfKind("test_request")
			c.start("public/test", nil)
		}
		if code := c.closed(); code != -1 || time.Since(start) != 80*time.Second {
			t.Errorf("close code %d after %v, want a cut when the seventh was not answered", code, time.Since(start))
		}
	})
}

func TestMaintenanceOverREST(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	s.SetPlatform(deribittest.Platform{Maintenance: true})
	if a, status := send(t, request(t, http.MethodGet, s.RESTURL()+"/public/get_time", "")); a.code() != 11051 || status != http.StatusBadRequest {
		t.Errorf("code %d, status %d", a.code(), status)
	}
}

// Public calls can be closed to who is not authenticated.
func TestUnauthenticatedCallsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const channel = "platform_state.public_methods_state"
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{})
		member, nobody := dialMemory(t, s, l), dialMemory(t, s, l)
		member.login(k, "")
		member.channels("public/subscribe", channel)
		nobody.channels("public/subscribe", channel)
		told := func(want string) {
			t.Helper()
			for _, c := range []*client{member, nobody} {
				if got := string(c.notification(channel).Params.Data); got != want {
					t.Errorf("told %s, want %s", got, want)
				}
			}
		}
		codes := func(wantMember, wantNobody int) {
			t.Helper()
			if a, b := member.call("public/get_time", nil).code(), nobody.call("public/get_time", nil).code(); a != wantMember || b != wantNobody {
				t.Errorf("codes %d and %d, want %d and %d", a, b, wantMember, wantNobody)
			}
		}
		s.SetPlatform(deribittest.Platform{}) // as it is
		codes(0, 0)
		s.SetPlatform(deribittest.Platform{AuthenticatedOnly: true})
		told(`{"allow_unauthenticated_public_requests":false}`)
		codes(0, 11056)
		if code := nobody.call("private/get_positions", nil).code(); code != 13009 {
			t.Errorf("private call: code %d", code)
		}
		nobody.login(k, "")
		codes(0, 0)
		s.SetPlatform(deribittest.Platform{})
		told(`{"allow_unauthenticated_public_requests":true}`)
		codes(0, 0)
		if len(member.seen)+len(nobody.seen) > 0 {
			t.Errorf("told more: %+v %+v", member.seen, nobody.seen)
		}
	})
}
