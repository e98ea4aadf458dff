package deribittest

import (
	"encoding/json"
	"slices"
	"strings"
)

const (
	maxChannels = 500 // of one subscribe; of an unsubscribe no text says it
	maxLabel    = 16
)

// subKey names a stream: a private channel has one per account, a public one has account 0.
type subKey struct {
	account int64
	channel string
}

// subscription is one connection's share of a stream.
type subscription struct {
	label string
	raw   bool
}

func subscriptionMethods() map[string]method {
	channels := []string{"channels"}
	return map[string]method{
		"public/subscribe":        {websocket: true, required: channels, call: (*exchange).subscribeCall},
		"private/subscribe":       {websocket: true, required: channels, call: (*exchange).subscribeCall},
		"public/unsubscribe":      {websocket: true, required: channels, call: (*exchange).unsubscribeCall},
		"private/unsubscribe":     {websocket: true, required: channels, call: (*exchange).unsubscribeCall},
		"public/unsubscribe_all":  {websocket: true, call: (*exchange).unsubscribeAll},
		"private/unsubscribe_all": {websocket: true, call: (*exchange).unsubscribeAll},
	}
}

type subscribeParams struct {
	Channels []string `json:"channels"`
	Label    string   `json:"label"`
}

func readChannels(r *request) (subscribeParams, *rpcError) {
	p, fault := decodeParams[subscribeParams](r.params)
	switch {
	case fault != nil:
	case len(p.Label) > maxLabel:
		fault = invalidParam("label", "too long")
	}
	return p, fault
}

// subscribeCall is public/subscribe and private/subscribe. It answers the channels that are subscribed now; the others it
// leaves out without a word. A raw channel without authentication fails the whole call.
func (ex *exchange) subscribeCall(r *request) (any, *rpcError) {
	p, fault := readChannels(r)
	if fault != nil {
		return nil, fault
	}
	if len(p.Channels) > maxChannels {
		return nil, invalidParam("channels", "too many values")
	}
	for _, name := range p.Channels {
		if info, ok := ex.market.Channel(name); ok && info.Raw && !info.Private && r.grant == nil {
			return nil, newError(codeRawUnauthorized, "raw_subscriptions_not_available_for_unauthorized")
		}
	}
	accepted := []string{}
	for _, name := range p.Channels {
		if r.conn.gone { // dropped by a snapshot that it did not read
			break
		}
		if !slices.Contains(accepted, name) && ex.subscribe(r, name, p.Label) {
			accepted = append(accepted, name)
		}
	}
	return accepted, nil
}

// subscribe adds one channel to the caller's connection, and queues its first message. It reports false for a refused one.
func (ex *exchange) subscribe(r *request, name, label string) bool {
	info, ok := ex.market.Channel(name)
	if !ok {
		return false
	}
	k := subKey{channel: name}
	if info.Private {
		if r.method != "private/subscribe" || !mayRead(r.grant, name) {
			return false
		}
		k.account = r.grant.key.account
	}
	c := r.conn
	_, again := c.subs[k]
	if !again {
		sub := &subscription{raw: info.Raw}
		if info.Private { // labels show on private channels only
			sub.label = label
		}
		c.subs[k] = sub
		if ex.subs[k] == nil {
			ex.subs[k] = make(map[*conn]*subscription)
		}
		ex.subs[k][c] = sub
		ex.market.Subscribe(k.account, name)
	}
	if !again || ex.cfg.SnapshotAgain {
		if data, ok := ex.market.Snapshot(k.account, name, r.now); ok {
			ex.notify(c, k, encodeNotification(name, c.subs[k].label, data))
			ex.repeat(c, k)
		}
	}
	return true
}

// repeat has a change follow a book's snapshot that has it already, as the exchange may.
func (ex *exchange) repeat(c *conn, k subKey) {
	if c.gone || !ex.chance(c) {
		return
	}
	if data, ok := ex.market.Redundant(k.account, k.channel); ok {
		ex.notify(c, k, encodeNotification(k.channel, c.subs[k].label, data))
	}
}

// mayRead reports whether a grant's scope lets it follow a private channel. Documented for user.portfolio alone; the others
// follow what they show.
func mayRead(g *grant, channel string) bool {
	if g == nil {
		return false
	}
	account, trade := g.scope()["account"] >= levelRead, g.scope()["trade"] >= levelRead
	switch {
	case strings.HasPrefix(channel, "user.portfolio."):
		return account || trade
	case channel == "user.access_log", channel == "user.lock":
		return account
	}
	return trade
}

// unsubscribeCall answers the channels that this call removed.
func (ex *exchange) unsubscribeCall(r *request) (any, *rpcError) {
	p, fault := readChannels(r)
	if fault != nil {
		return nil, fault
	}
	removed := []string{}
	for _, name := range p.Channels {
		keys := []subKey{{channel: name}}
		if r.method == "private/unsubscribe" {
			keys = append(keys, subKey{r.grant.key.account, name})
		}
		for _, k := range keys {
			if _, ok := r.conn.subs[k]; ok {
				ex.unsubscribe(r.conn, k)
				removed = append(removed, name)
			}
		}
	}
	return removed, nil
}

// unsubscribeAll ends every channel of the connection: nothing says that the public method spares private ones.
func (ex *exchange) unsubscribeAll(r *request) (any, *rpcError) {
	for k := range r.conn.subs {
		ex.unsubscribe(r.conn, k)
	}
	return "ok", nil
}

func (ex *exchange) unsubscribe(c *conn, k subKey) {
	delete(c.subs, k)
	delete(ex.subs[k], c)
	if len(ex.subs[k]) == 0 {
		delete(ex.subs, k)
	}
	ex.market.Unsubscribe(k.account, k.channel)
}

// dropAuthorised ends the channels of a connection that needed a key: private ones of its account, and raw ones.
func (ex *exchange) dropAuthorised(c *conn, of *key) {
	for k, sub := range c.subs {
		if k.account == of.account || (k.account == 0 && sub.raw) {
			ex.unsubscribe(c, k)
		}
	}
}

// deliver hands the market's events to their subscribers. It runs after everything that can cause events, so that none is
// left over for a subscriber who comes later.
func (ex *exchange) deliver() {
	if ex.delivering {
		return // a reader was dropped on the way and its orders cancelled: the loop below finds those events in their turn
	}
	ex.delivering = true
	defer func() { ex.delivering = false }()
	for events := ex.market.Drain(); len(events) > 0; events = ex.market.Drain() {
		for _, e := range events {
			ex.publish(subKey{e.Account, e.Channel}, e.Data)
		}
	}
}

// publish hands one message of a stream to its subscribers. Those without a label share its text.
func (ex *exchange) publish(k subKey, data json.RawMessage) {
	if ex.loses(k.channel) {
		return
	}
	var plain []byte
	for c, sub := range ex.subs[k] {
		frame := plain
		switch {
		case sub.label != "":
			frame = encodeNotification(k.channel, sub.label, data)
		case plain == nil:
			plain = encodeNotification(k.channel, "", data)
			frame = plain
		}
		ex.notify(c, k, frame)
	}
}

func (ex *exchange) notify(c *conn, k subKey, frame []byte) {
	if c.isBehind {
		c.caused = append(c.caused, caused{k, frame})
		return
	}
	if c.push(outgoing{method: k.channel, data: frame}) {
		ex.published[k.channel]++
	}
}
