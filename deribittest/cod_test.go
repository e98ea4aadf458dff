package deribittest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// rest places a limit order far below the market, which rests.
func (c *client) rest(label string) {
	c.t.Helper()
	ticker := result[struct {
		MinPrice float64 `json:"min_price"`
	}](c.t, c.call("public/ticker", params{"instrument_name": "BTC-PERPETUAL"}))
	placed := result[struct {
		Order struct {
			State string `json:"order_state"`
			Label string `json:"label"`
		} `json:"order"`
	}](c.t, c.call("private/buy", params{
		"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": ticker.MinPrice, "label": label,
	}))
	if placed.Order.State != "open" || placed.Order.Label != label {
		c.t.Fatalf("order %+v", placed)
	}
}

// open returns how many orders are open.
func (c *client) open() int {
	c.t.Helper()
	return len(result[[]params](c.t, c.call("private/get_open_orders", nil)))
}

func TestCancelOnDisconnect(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(c *client)
		end   func(s *deribittest.Server, c *client)
		left  int
	}{
		{"off by default", func(*client) {}, cut, 1},
		{"cut", enable("connection"), cut, 0},
		{"closed by the client", enable("connection"), func(_ *deribittest.Server, c *client) { c.ws.CloseNow() }, 0},
		{"logout", enable("connection"), func(_ *deribittest.Server, c *client) {
			c.start("private/logout", nil)
			c.closed()
		}, 1},
		{"inactivity", enable("connection"), func(*deribittest.Server, *client) { pass(10*time.Minute + time.Second) }, 0},
		{"heartbeat unanswered", enable("connection"), func(_ *deribittest.Server, c *client) {
			c.call("public/set_heartbeat", params{"interval": 10})
			pass(21 * time.Second)
		}, 0},
		{"taken back", func(c *client) {
			enable("connection")(c)
			c.call("private/disable_cancel_on_disconnect", nil)
		}, cut, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := memoryServer(t, deribittest.Config{})
				k := s.AddKey(deribittest.KeyConfig{})
				c := dialMemory(t, s, l)
				c.login(k, "")
				tt.setup(c)
				c.rest("l")
				tt.end(s, c)
				synctest.Wait()
				other := dialMemory(t, s, l)
				other.login(k, "")
				if got := other.open(); got != tt.left {
					t.Errorf("%d orders left, want %d", got, tt.left)
				}
				if got := s.Executed("l"); got != 1 {
					t.Errorf("executed %d times", got)
				}
			})
		})
	}
}

func cut(s *deribittest.Server, _ *client) { s.CutConnections() }

func enable(scope string) func(*client) {
	return func(c *client) {
		c.t.Helper()
		if got := result[string](c.t, c.call("private/enable_cancel_on_disconnect", params{"scope": scope})); got != "ok" {
			c.t.Errorf("enable: %q", got)
		}
	}
}

// Only the orders of the connection that ended are cancelled.
func TestCancelOnDisconnectIsPerConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{})
		a, b := dialMemory(t, s, l), dialMemory(t, s, l)
		for _, c := range []*client{a, b} {
			c.login(k, "")
			enable("connection")(c)
			c.rest(fmt.Sprintf("%p", c))
		}
		b.channels("private/subscribe", "user.orders.any.any.raw")
		a.ws.CloseNow()
		var e struct {
			State string `json:"order_state"`
			Label string `json:"label"`
		}
		decode(t, b.notification("user.orders.any.any.raw"), &e)
		if e.State != "cancelled" || e.Label != fmt.Sprintf("%p", a) {
			t.Errorf("event %+v", e)
		}
		if got := b.open(); got != 1 {
			t.Errorf("%d orders left, want 1", got)
		}
	})
}

func TestCancelOnDisconnectOfAccount(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	type state struct {
		Scope   string
		Enabled bool
	}
	get := func(c *client, scope string) state {
		t.Helper()
		return result[state](t, c.call("private/get_cancel_on_disconnect", params{"scope": scope}))
	}
	c := dial(t, s)
	c.login(k, "")
	if got := get(c, "account"); got != (state{"account", false}) {
		t.Errorf("at first %+v", got)
	}
	enable("account")(c)
	for _, c := range []*client{c, dial(t, s)} {
		c.login(k, "")
		for _, scope := range []string{"account", "connection"} {
			if got := get(c, scope); got != (state{scope, true}) {
				t.Errorf("enabled for the account: %+v", got)
			}
		}
	}
	result[string](t, c.call("private/disable_cancel_on_disconnect", params{"scope": "account"}))
	later := dial(t, s)
	later.login(k, "")
	if got := get(later, "connection"); got.Enabled {
		t.Errorf("disabled for the account: %+v", got)
	}
	if code := c.call("private/get_cancel_on_disconnect", params{"scope": "world"}).code(); code != -32602 {
		t.Errorf("unknown scope: code %d, want -32602", code)
	}
}
