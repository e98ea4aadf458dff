package deribittest_test

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// buy sends a labelled order that fills, and returns the id of the request.
func (c *client) buy(label string) string {
	c.t.Helper()
	return c.start("private/buy", params{"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "market", "label": label})
}

// replies waits for a second and returns how many replies to a request have come until then.
func (c *client) replies(id string) int {
	c.t.Helper()
	pass(time.Second)
	c.call("public/test", nil)
	n := 0
	for _, a := range c.seen {
		if string(a.ID) == id {
			n++
		}
	}
	return n
}

// A fault befalls one request and leaves those before, after and beside it alone.
func TestFaultsOfRequests(t *testing.T) {
	t.Parallel()
	for kind, want := range map[deribittest.FaultKind]struct{ executed, replies int }{
		deribittest.LoseRequest:    {0, 0},
		deribittest.LoseReply:      {1, 0},
		deribittest.DuplicateReply: {1, 2},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, l := memoryServer(t, deribittest.Config{})
				k := s.AddKey(deribittest.KeyConfig{})
				c, other := dialMemory(t, s, l), dialMemory(t, s, l)
				c.login(k, "")
				other.login(k, "")
				s.Inject(deribittest.Fault{Kind: kind, Conn: 1, Method: "private/buy"})
				if got := other.replies(other.buy("other")); got != 1 || s.Executed("other") != 1 {
					t.Errorf("another connection: %d replies, %d executed", got, s.Executed("other"))
				}
				if got := c.replies(c.buy("x")); got != want.replies || s.Executed("x") != want.executed {
					t.Errorf("%d replies, %d executed; want %+v", got, s.Executed("x"), want)
				}
				if got := c.replies(c.buy("next")); got != 1 || s.Executed("next") != 1 {
					t.Errorf("the next one: %d replies, %d executed", got, s.Executed("next"))
				}
				if st := s.Stats(); st.Faults[kind] != 1 || len(st.Faults) != 1 {
					t.Errorf("counted %v", st.Faults)
				}
			})
		})
	}
}

func TestDelayReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		c := dialMemory(t, s, l)
		c.login(s.AddKey(deribittest.KeyConfig{}), "")
		start := time.Now()
		for _, late := range []time.Duration{5 * time.Second, 3 * time.Second} {
			s.Inject(deribittest.Fault{Kind: deribittest.DelayReply, Method: "private/buy", For: late})
		}
		slow, quick := c.buy("slow"), c.buy("quick")
		synctest.Wait()
		if s.Executed("slow") != 1 || s.Executed("quick") != 1 {
			t.Error("the orders wait for their replies")
		}
		for _, want := range []struct {
			id    string
			after time.Duration
		}{{c.start("public/test", nil), 0}, {quick, 3 * time.Second}, {slow, 5 * time.Second}} {
			if a := c.must(); string(a.ID) != want.id || a.Error != nil || time.Since(start) != want.after {
				t.Errorf("%s answered after %v, want %+v", a.ID, time.Since(start), want)
			}
		}
		// A connection that ends in the meantime takes its late replies along.
		s.Inject(deribittest.Fault{Kind: deribittest.DelayReply, For: time.Minute})
		c.start("public/test", nil)
		synctest.Wait()
		s.CutConnections()
		if n := len(c.seen); c.closed() != -1 || len(c.seen) != n {
			t.Errorf("answered: %+v", c.seen)
		}
	})
}

func TestCutAtCall(t *testing.T) {
	t.Parallel()
	for kind, executed := range map[deribittest.FaultKind]int{deribittest.CutAtRequest: 0, deribittest.CutAtReply: 1} {
		s := newServer(t, deribittest.Config{})
		c := dial(t, s)
		c.login(s.AddKey(deribittest.KeyConfig{}), "")
		s.Inject(deribittest.Fault{Kind: kind, Method: "private/*"})
		c.call("public/test", nil)
		c.buy("x")
		if code := c.closed(); code != -1 || len(c.seen) > 0 {
			t.Errorf("%s: close code %d after %+v, want a cut", kind, code, c.seen)
		}
		if st := s.Stats(); st.Faults[kind] != 1 || s.Executed("x") != executed || st.OpenConnections != 0 {
			t.Errorf("%s: %d executed; counted %+v", kind, s.Executed("x"), st)
		}
	}
}

// A fault goes by connection, method and number.
func TestFaultSelection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		first, second := dialMemory(t, s, l), dialMemory(t, s, l)
		answered := func(c *client, method string) bool { return c.replies(c.start(method, nil)) == 1 }
		s.Inject(deribittest.Fault{Kind: deribittest.LoseReply, Conn: 2, Method: "public/get_*", Times: 2})
		for _, tt := range []struct {
			c      *client
			method string
			want   bool
		}{
			{first, "public/get_time", true},
			{second, "public/status", true},
			{second, "public/get_time", false},
			{first, "public/get_time", true},
			{second, "public/get_currencies", false},
			{second, "public/get_time", true},
		} {
			if got := answered(tt.c, tt.method); got != tt.want {
				t.Errorf("%s answered %t, want %t", tt.method, got, tt.want)
			}
		}
		defer func() {
			if recover() == nil {
				t.Error("a kind that there is not was taken")
			}
		}()
		s.Inject(deribittest.Fault{Kind: "no-such"})
	})
}

// What waits for a reply does not wait for one that is lost.
func TestLostReplyOfAReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{Reset: deribittest.ResetProfile{
			Connections: deribittest.ConnectionsClosedAfterReply,
		}})
		k := s.AddKey(deribittest.KeyConfig{})
		c := dialMemory(t, s, l)
		c.login(k, "")
		s.Inject(deribittest.Fault{Kind: deribittest.LoseReply, Method: "private/reset_api_key"})
		c.start("private/reset_api_key", params{"id": k.ID})
		if c.closed(); len(c.seen) > 0 {
			t.Errorf("answered %+v", c.seen)
		}
		if now, _ := s.Key(k.ID); now.Secret == k.Secret {
			t.Error("the key was not reset")
		}
	})
}

// Private channels end without a word; public ones, and those of other connections, go on.
func TestLosePrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{})
		const orders = "user.orders.BTC-PERPETUAL.raw"
		c, other, idle := dialMemory(t, s, l), dialMemory(t, s, l), dialMemory(t, s, l)
		for _, c := range []*client{c, other} {
			c.login(k, "")
			c.channels("private/subscribe", orders, raw)
		}
		idle.channels("public/subscribe", book)
		s.Inject(deribittest.Fault{Kind: deribittest.LosePrivate, Conn: 1})
		s.Inject(deribittest.Fault{Kind: deribittest.LosePrivate, Conn: 3})
		other.rest("resting")
		other.notification(orders)
		published := s.Published(orders)
		c.replies("")
		for _, a := range c.seen {
			if a.Params.Channel == orders {
				t.Errorf("told %s", a.Params.Data)
			}
		}
		c.book(raw)
		if got := c.channels("private/subscribe", orders); len(got) != 1 {
			t.Errorf("subscribed again: %v", got)
		}
		other.rest("resting")
		c.notification(orders)
		if st := s.Stats(); st.Faults[deribittest.LosePrivate] != 1 || published != 1 {
			t.Errorf("counted %v; %d told before", st.Faults, published)
		}
	})
}

func TestCutFault(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	first, second := dial(t, s), dial(t, s)
	s.Inject(deribittest.Fault{Kind: deribittest.Cut, Conn: 1})
	if code := first.closed(); code != -1 {
		t.Errorf("close code %d, want a cut", code)
	}
	second.call("public/test", nil)
	if st := s.Stats(); st.OpenConnections != 1 || st.Faults[deribittest.Cut] != 1 {
		t.Errorf("counted %+v", st)
	}
}

// The clock goes wrong for all that it is asked for, and for nothing else: heartbeats keep their time, and channels go on.
func TestSkewClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const channel = "ticker.BTC-PERPETUAL.100ms"
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{})
		c := dialMemory(t, s, l)
		c.channels("public/subscribe", channel)
		for _, skew := range []time.Duration{90 * time.Second, -time.Hour, 0} {
			s.Inject(deribittest.Fault{Kind: deribittest.SkewClock, For: skew})
			told := time.Now().Add(skew)
			a := c.call("public/get_time", nil)
			if got := result[int64](t, a); got != told.UnixMilli() || a.UsIn != told.UnixMicro() || a.UsOut != told.UnixMicro() {
				t.Errorf("skew %v: told %d, in %d, out %d", skew, got, a.UsIn, a.UsOut)
			}
			for at, want := range map[time.Time]int{told: 0, told.Add(-90 * time.Second): 13004} {
				if code := c.call("public/auth", signed(k, at, strconv.FormatInt(at.UnixNano(), 10))).code(); code != want {
					t.Errorf("skew %v: signature at %v: code %d, want %d", skew, at, code, want)
				}
			}
			var last struct {
				Timestamp int64 `json:"timestamp"`
			}
			pass(100 * time.Millisecond)
			s.Tick()
			c.call("public/test", nil)
			for slices.ContainsFunc(c.seen, func(a answer) bool { return a.Params.Channel == channel }) {
				decode(t, c.notification(channel), &last)
			}
			if want := time.Now().Add(skew).UnixMilli(); last.Timestamp != want {
				t.Errorf("skew %v: ticker of %d, want %d", skew, last.Timestamp, want)
			}
		}
		start := time.Now()
		c.call("public/set_heartbeat", params{"interval": 10})
		s.Inject(deribittest.Fault{Kind: deribittest.SkewClock, For: time.Hour})
		c.notificationOfKind("test_request")
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("heartbeat after %v", got)
		}
		c.login(k, "expires:60")
		s.Inject(deribittest.Fault{Kind: deribittest.SkewClock, For: time.Hour + 61*time.Second})
		if code := c.call("private/get_access_log", nil).code(); code != 13009 {
			t.Errorf("a token beyond its life: code %d", code)
		}
	})
}
