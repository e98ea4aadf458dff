package deribittest_test

import (
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest"
)

var (
	instruments = params{"currency": "BTC"}
	noOrder     = params{"order_id": "BTC-1"}
)

// Each method is paid from its pool: so many at once, and then one each interval. The next one is refused and ends its
// connection; what it had costs nothing on the account's other connections.
func TestLimitPools(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method, pool string
		p            params
		burst        int
		interval     time.Duration
	}{
		"request":         {"public/get_time", "non_matching_engine", nil, 100, 50 * time.Millisecond},
		"refused request": {"private/nothing", "non_matching_engine", nil, 100, 50 * time.Millisecond},
		"public sub":      {"public/subscribe", "subscribe", params{"channels": []string{book}}, 10, 300 * time.Millisecond},
		"private sub":     {"private/subscribe", "subscribe", params{"channels": []string{"x"}}, 10, 300 * time.Millisecond},
		"instruments":     {"public/get_instruments", "public/get_instruments", instruments, 50, time.Second},
		"transactions":    {"private/get_transaction_log", "private/get_transaction_log", nil, 8, time.Second},
		"order":           {"private/cancel", "matching_engine", noOrder, 20, 200 * time.Millisecond},
		"cancel all":      {"private/cancel_all", "cancel_all", nil, 20, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, l := memoryServer(t, deribittest.Config{Limits: &deribittest.Limits{}})
				k := s.AddKey(deribittest.KeyConfig{})
				use := func(c *client) (served int) {
					t.Helper()
					for c.call(tt.method, tt.p).code() != 10028 {
						served++
					}
					if code := c.closed(); code != websocket.StatusPolicyViolation {
						t.Errorf("close code %d, want policy violation", code)
					}
					return served
				}
				login := func() *client {
					c := dialMemory(t, s, l)
					c.login(k, "")
					return c
				}
				first, second, third := login(), login(), login()
				if got := use(first); got != tt.burst {
					t.Errorf("%d served at once, want %d", got, tt.burst)
				}
				pass(tt.interval - 1)
				if got := use(second); got != 0 {
					t.Errorf("%d served just before the interval's end, want 0", got)
				}
				pass(1)
				if got := use(third); got != 1 {
					t.Errorf("%d served after an interval, want 1", got)
				}
				st := s.Stats()
				if got := st.Charged[tt.pool]; got != uint64(tt.burst+1)+pay(tt.pool, 3) || st.RateLimited != 3 {
					t.Errorf("counted %v, and %d refused", st.Charged, st.RateLimited)
				}
			})
		})
	}
}

// pay is what n logins add to the count of a pool.
func pay(pool string, n uint64) uint64 {
	if pool == "non_matching_engine" {
		return n
	}
	return 0
}

// An account pays for all its keys and connections, whichever way a token comes along; an address for who has none.
func TestLimitsAreOfTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{Limits: &deribittest.Limits{
			Requests: deribittest.Rate{PerSecond: 1, Burst: 10}, KeepConnections: true,
		}})
		key := func(account int64) deribittest.Key { return s.AddKey(deribittest.KeyConfig{Account: account}) }
		left := func(c *client, p params) (served int) {
			t.Helper()
			for c.call("public/get_time", p).code() == 0 {
				served++
			}
			return served
		}
		first, sibling, stranger, nobody := dialMemory(t, s, l), dialMemory(t, s, l), dialMemory(t, s, l), dialMemory(t, s, l)
		token := first.login(key(1), "session:a").AccessToken
		sibling.login(key(1), "")
		stranger.login(key(2), "")
		first.call("public/get_time", nil)
		bearer := dialMemory(t, s, l)
		bearer.call("public/get_time", params{"access_token": token})
		for _, tt := range []struct {
			name string
			c    *client
			p    params
			want int
		}{
			{"a sibling, after two of the account", sibling, nil, 8},
			{"the account", first, nil, 0},
			{"a token of the account", bearer, params{"access_token": token}, 0},
			{"another account", stranger, nil, 10},
			{"nobody, after three logins from the address", nobody, nil, 7},
			{"nobody again", dialMemory(t, s, l), nil, 0},
		} {
			if got := left(tt.c, tt.p); got != tt.want {
				t.Errorf("%s: %d served, want %d", tt.name, got, tt.want)
			}
		}
		if got := s.Stats().RateLimited; got != 6 {
			t.Errorf("%d refused, want 6", got)
		}
	})
}

// What nobody can serve is paid for as well.
func TestLimitsCountFaultyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{Limits: &deribittest.Limits{Requests: deribittest.Rate{Burst: 3}}})
		c := dialMemory(t, s, l)
		c.send(`{`)
		c.send(`{"jsonrpc":"2.0","method":"public/test"}`)
		c.send(`{"jsonrpc":"2.0","id":1,"method":"public/test","params":[]}`)
		for range 3 {
			c.must()
		}
		if code := c.call("public/test", nil).code(); code != 10028 {
			t.Errorf("code %d, want 10028", code)
		}
		c.closed()
		pass(50 * time.Millisecond)
		if code := dialMemory(t, s, l).call("public/test", nil).code(); code != 0 {
			t.Errorf("code %d after 50 ms at 20 a second", code)
		}
	})
}

// The end of a connection for its account's lack of credits is a disconnect as any other: what follows in it is not served, and
// its orders are cancelled.
func TestLimitsEndTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{Limits: &deribittest.Limits{}})
		k := s.AddKey(deribittest.KeyConfig{})
		c, other := dialMemory(t, s, l), dialMemory(t, s, l)
		c.login(k, "")
		other.login(k, "")
		enable("connection")(c)
		c.rest("resting")
		for range 20 {
			c.start("private/cancel", noOrder)
		}
		c.start("public/test", nil)
		c.closed()
		refused := 0
		for _, a := range c.seen {
			if a.code() == 10028 {
				refused++
			}
		}
		if st := s.Stats(); refused != 1 || st.Calls["public/test"] != 0 {
			t.Errorf("%d refused, then %d calls", refused, st.Calls["public/test"])
		}
		synctest.Wait()
		if got := other.open(); got != 0 {
			t.Errorf("%d orders left", got)
		}
	})
}

func TestLimitsOverREST(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{Limits: &deribittest.Limits{Matching: deribittest.Rate{PerSecond: 1, Burst: 1}}})
	k := s.AddKey(deribittest.KeyConfig{})
	for i, want := range []int{0, 10028} {
		req := request(t, http.MethodGet, s.RESTURL()+"/private/cancel_all_by_currency?currency=BTC", "")
		req.SetBasicAuth(k.ClientID, k.Secret)
		resp, err := http.DefaultTransport.RoundTrip(req.Clone(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.Close != (want != 0) || (resp.StatusCode == http.StatusOK) != (want == 0) {
			t.Errorf("request %d: status %d, closes %t", i, resp.StatusCode, resp.Close)
		}
	}
	if st := s.Stats(); st.Charged["cancel_all"] != 1 || st.RateLimited != 1 {
		t.Errorf("counted %v, and %d refused", st.Charged, st.RateLimited)
	}
}

// An account is told its own limits.
func TestLimitsAreTold(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limits                        *deribittest.Limits
		requests, matching, cancelAll map[string]int
	}{
		"none":       {nil, rate(1000, 1500), rate(5, 20), rate(200, 250)},
		"documented": {&deribittest.Limits{}, rate(20, 100), rate(5, 20), rate(5, 20)},
		"another": {&deribittest.Limits{
			Requests: deribittest.Rate{PerSecond: 40, Burst: 50}, Matching: deribittest.Rate{PerSecond: 30, Burst: 100},
			CancelAll: deribittest.Rate{PerSecond: 6, Burst: -1},
		}, rate(40, 50), rate(30, 100), rate(6, 100)},
	} {
		s := newServer(t, deribittest.Config{Limits: tt.limits})
		c := dial(t, s)
		c.login(s.AddKey(deribittest.KeyConfig{}), "")
		got := result[struct {
			Limits struct {
				Requests map[string]int `json:"non_matching_engine"`
				Matching struct {
					Trading struct {
						Total map[string]int `json:"total"`
					} `json:"trading"`
					CancelAll map[string]int `json:"cancel_all"`
				} `json:"matching_engine"`
			} `json:"limits"`
		}](t, c.call("private/get_account_summary", instruments)).Limits
		if !maps.Equal(got.Requests, tt.requests) || !maps.Equal(got.Matching.Trading.Total, tt.matching) ||
			!maps.Equal(got.Matching.CancelAll, tt.cancelAll) {
			t.Errorf("%s: told %+v", name, got)
		}
	}
}

func rate(perSecond, burst int) map[string]int {
	return map[string]int{"rate": perSecond, "burst": burst}
}
