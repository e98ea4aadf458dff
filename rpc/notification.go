package rpc

import "math"

// Notification is an incoming message that answers no call. Its slices are valid until the handler returns.
type Notification struct {
	Method []byte
	// Params are as the peer sent them, nil if there are none. What is in an object or an array below them has not been
	// checked: that is for its decoder.
	Params []byte

	named members // of Params
}

// Member returns the JSON of a member of Params, nil if Params is no object or has no such member. It costs next to nothing
// for the first few members, which the Conn has met on its way. Of members of the same name it returns one.
func (n *Notification) Member(name string) []byte {
	if value, known := n.named.find(name); known {
		return value
	}
	s := scanner{text: n.Params, depth: math.MaxInt}
	for key := s.first(); key != nil; key = s.next() {
		if value := s.value(); string(unquote(key)) == name {
			return value
		}
	}
	return nil
}

// members are the first members of an object, so that nobody need look for them again.
type members struct {
	n     int // of the object; 0 if they have not been counted
	first [3]struct{ key, value []byte }
}

func (m *members) add(key, value []byte) {
	if m.n < len(m.first) {
		m.first[m.n].key, m.first[m.n].value = key, value
	}
	m.n++
}

// find returns a member's value. It reports whether it knows, or knows that there is no such member.
func (m *members) find(name string) (value []byte, known bool) {
	held := m.first[:min(m.n, len(m.first))]
	for i := range held {
		if key := held[i].key; len(key) == len(name)+2 && string(key[1:len(key)-1]) == name {
			return held[i].value, true
		}
	}
	for i := range held {
		if string(unquote(held[i].key)) == name { // if it is written with escapes
			return held[i].value, true
		}
	}
	return nil, m.n > 0 && m.n <= len(m.first)
}

// notify hands a notification to the handler. It runs on the reader's goroutine.
func (c *Conn) notify(env *envelope) {
	if c.cfg.Handler == nil {
		c.report(Stray{Kind: StrayNotification, Method: string(env.method)})
		return
	}
	c.counters.notifications.Add(1)
	c.cfg.Handler(Notification{Method: env.method, Params: env.params, named: env.named})
}
