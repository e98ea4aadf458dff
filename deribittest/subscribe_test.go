package deribittest_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/deribittest"
)

const (
	book  = "book.BTC-PERPETUAL.100ms"
	raw   = "book.BTC-PERPETUAL.raw"
	index = "deribit_price_index.btc_usd"
	log   = "user.access_log"
)

// channels subscribes or unsubscribes, and returns the channels answered.
func (c *client) channels(method string, names ...string) []string {
	c.t.Helper()
	return result[[]string](c.t, c.call(method, params{"channels": names}))
}

func TestSubscribeAnswersWhatIsSubscribed(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{Tick: -1})
	k := s.AddKey(deribittest.KeyConfig{})
	anonymous, c, reader := dial(t, s), dial(t, s), dial(t, s)
	c.login(k, "")
	reader.login(k, "account:none trade:none")
	for _, tt := range []struct {
		name   string
		client *client
		method string
		asked  []string
		want   []string
	}{
		{"public channels", anonymous, "public/subscribe", []string{book, index}, []string{book, index}},
		{"unknown ones are left out", anonymous, "public/subscribe", []string{"nothing", "book.NO-SUCH.100ms", "book.BTC-PERPETUAL.5ms", index}, []string{index}},
		{"none known", anonymous, "public/subscribe", []string{"book.BTC-21JUN19-10000-C.none.1.100ms"}, []string{}},
		{"one twice", anonymous, "public/subscribe", []string{book, book}, []string{book}},
		{"private ones by the public method", c, "public/subscribe", []string{log, "user.orders.any.any.raw", index}, []string{index}},
		{"raw with authentication", c, "public/subscribe", []string{raw}, []string{raw}},
		{"both kinds by the private method", c, "private/subscribe", []string{log, "user.orders.BTC-PERPETUAL.raw", "user.trades.any.any.raw", book}, []string{log, "user.orders.BTC-PERPETUAL.raw", "user.trades.any.any.raw", book}},
		{"private ones beyond the scope", reader, "private/subscribe", []string{log, "user.orders.any.any.raw", "user.portfolio.BTC", index}, []string{index}},
		{"none", c, "private/subscribe", []string{}, []string{}},
		{"removed", c, "private/unsubscribe", []string{log, "nothing", "user.lock", book}, []string{log, book}},
		{"private ones by the public method", c, "public/unsubscribe", []string{"user.orders.BTC-PERPETUAL.raw", raw}, []string{raw}},
		{"removed once", c, "private/unsubscribe", []string{log, book, raw}, []string{}},
	} {
		if got := tt.client.channels(tt.method, tt.asked...); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSubscribeRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{Tick: -1})
	c := dial(t, s)
	a := c.call("public/subscribe", params{"channels": []string{index, raw}})
	if a.code() != 13778 || a.Error.Message != "raw_subscriptions_not_available_for_unauthorized" {
		t.Errorf("raw without authentication: %+v, want 13778", a.Error)
	}
	if got := c.channels("public/unsubscribe", index); len(got) != 0 {
		t.Errorf("a refused call subscribed %v", got)
	}
	if code := c.call("private/subscribe", params{"channels": []string{index}}).code(); code != 13009 {
		t.Errorf("private/subscribe without authentication: code %d, want 13009", code)
	}
	c.login(s.AddKey(deribittest.KeyConfig{}), "")
	many := make([]string, 501)
	for i := range many {
		many[i] = fmt.Sprint("c", i)
	}
	if code := c.call("public/subscribe", params{"channels": many[:500]}).code(); code != 0 {
		t.Errorf("500 channels: code %d", code)
	}
	if code := c.call("public/subscribe", params{"channels": many}).code(); code != -32602 {
		t.Errorf("501 channels: code %d, want -32602", code)
	}
	if code := c.call("public/unsubscribe", params{"channels": many}).code(); code != 0 {
		t.Errorf("501 channels to unsubscribe: code %d", code)
	}
	if code := c.call("private/subscribe", params{"channels": []string{index}, "label": "seventeen letters"}).code(); code != -32602 {
		t.Errorf("label of 17: code %d, want -32602", code)
	}
}

func TestLabel(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{Tick: -1})
	k := s.AddKey(deribittest.KeyConfig{})
	c, plain := dial(t, s), dial(t, s)
	c.login(k, "")
	plain.login(k, "")
	c.call("private/subscribe", params{"channels": []string{log, book}, "label": "mine"})
	plain.channels("private/subscribe", log)
	works(t, s, k.ClientID, k.Secret)
	if got := c.notification(log).Params.Label; got != "mine" {
		t.Errorf("label %q on a private channel", got)
	}
	if got := plain.notification(log).Params.Label; got != "" {
		t.Errorf("label %q on another connection", got)
	}
	if got := c.notification(book).Params.Label; got != "" {
		t.Errorf("label %q on a public channel", got)
	}
}

// One connection may follow several accounts, by their tokens.
func TestTwoAccounts(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{Tick: -1})
	first, second := s.AddKey(deribittest.KeyConfig{Account: 1}), s.AddKey(deribittest.KeyConfig{Account: 2})
	c := dial(t, s)
	for _, k := range []deribittest.Key{first, second} {
		token := c.login(k, "").AccessToken
		p := params{"channels": []string{log}, "label": fmt.Sprint("account", k.Account), "access_token": token}
		if got := result[[]string](t, c.call("private/subscribe", p)); len(got) != 1 {
			t.Errorf("account %d: %v", k.Account, got)
		}
	}
	works(t, s, second.ClientID, second.Secret)
	works(t, s, first.ClientID, first.Secret)
	for _, want := range []string{"account2", "account1"} {
		if got := c.notification(log).Params.Label; got != want {
			t.Errorf("event for %q, want %q", got, want)
		}
	}
}

type bookEvent struct {
	Type     string `json:"type"`
	ChangeID int64  `json:"change_id"`
	Previous int64  `json:"prev_change_id"` // 0 for none
}

func (c *client) book(channel string) bookEvent {
	c.t.Helper()
	var e bookEvent
	decode(c.t, c.notification(channel), &e)
	return e
}

// Each subscriber gets a snapshot and then an unbroken chain, whenever he comes; and exactly what was published.
func TestBookChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{})
		received := 0
		var followers []*client
		last := map[*client]int64{}
		for range 3 {
			c := dialMemory(t, s, l)
			c.login(k, "")
			c.channels("public/subscribe", raw)
			followers = append(followers, c)
			for range 20 {
				s.Tick()
			}
			synctest.Wait()
			for _, c := range followers {
				c.call("public/test", nil)
				for slices.ContainsFunc(c.seen, func(a answer) bool { return a.Params.Channel == raw }) {
					e := c.book(raw)
					received++
					if before, ok := last[c]; !ok {
						if e.Type != "snapshot" || e.Previous != 0 {
							t.Errorf("first message %+v", e)
						}
					} else if e.Type != "change" || e.Previous != before {
						t.Errorf("%+v after %d", e, before)
					}
					last[c] = e.ChangeID
				}
			}
		}
		if got := s.Published(raw); got != uint64(received) || got < 6 || s.PublishedAll()[raw] != got {
			t.Errorf("published %d, received %d", got, received)
		}
	})
}

func TestSubscribeAgain(t *testing.T) {
	t.Parallel()
	for again, want := range map[bool]uint64{false: 1, true: 2} {
		s := newServer(t, deribittest.Config{Tick: -1, SnapshotAgain: again})
		c := dial(t, s)
		for range 2 {
			if got := c.channels("public/subscribe", book); !slices.Equal(got, []string{book}) {
				t.Errorf("subscribe answered %v", got)
			}
		}
		if got := s.Published(book); got != want {
			t.Errorf("SnapshotAgain %v: %d snapshots, want %d", again, got, want)
		}
		c.channels("public/unsubscribe", book)
		c.channels("public/subscribe", book)
		if got := s.Published(book); got != want+1 {
			t.Errorf("after unsubscribe and subscribe: %d snapshots, want %d", got, want+1)
		}
	}
}

func TestUnsubscribeAll(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{Tick: -1})
	k := s.AddKey(deribittest.KeyConfig{})
	for _, method := range []string{"public/unsubscribe_all", "private/unsubscribe_all"} {
		c := dial(t, s)
		c.login(k, "")
		c.channels("private/subscribe", log, book)
		if got := result[string](t, c.call(method, nil)); got != "ok" {
			t.Errorf("%s: %q", method, got)
		}
		if got := c.channels("private/unsubscribe", log, book); len(got) != 0 {
			t.Errorf("%s left %v", method, got)
		}
	}
}

// public/auth on a live connection keeps its channels, unless the switch says otherwise; then public ones stay.
func TestReauthentication(t *testing.T) {
	t.Parallel()
	for drops, want := range map[bool][]string{false: {log, raw, book}, true: {book}} {
		s := newServer(t, deribittest.Config{Tick: -1, ReauthDropsPrivate: drops})
		k := s.AddKey(deribittest.KeyConfig{})
		c := dial(t, s)
		c.login(k, "")
		c.channels("private/subscribe", log, raw, book)
		c.call("private/enable_cancel_on_disconnect", nil)
		c.login(k, "")
		if got := c.channels("private/unsubscribe", log, raw, book); !slices.Equal(got, want) {
			t.Errorf("ReauthDropsPrivate %v: %v left, want %v", drops, got, want)
		}
		cod := result[struct{ Enabled bool }](t, c.call("private/get_cancel_on_disconnect", nil))
		if !cod.Enabled {
			t.Errorf("ReauthDropsPrivate %v: cancel on disconnect went off", drops)
		}
	}
}

func TestPlatformState(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{Tick: -1})
	c := dial(t, s)
	c.channels("public/subscribe", "platform_state")
	s.MaintenanceNotice()
	if got := string(c.notification("platform_state").Params.Data); got != `{"maintenance":true}` {
		t.Errorf("platform_state %s", got)
	}
}
