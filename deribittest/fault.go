package deribittest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// FaultKind names what goes wrong.
type FaultKind string

// Faults of requests over WebSocket. Each waits for a request that it can befall.
const (
	// LoseRequest has the exchange never see the request: no effect, and no reply.
	LoseRequest FaultKind = "lose-request"
	// LoseReply leaves out the reply; the request had its effect.
	LoseReply FaultKind = "lose-reply"
	// DelayReply has the reply come late, by Fault.For. Replies to later requests overtake it.
	DelayReply FaultKind = "delay-reply"
	// DuplicateReply sends the reply twice.
	DuplicateReply FaultKind = "duplicate-reply"
	// CutAtRequest breaks the connection when the request comes, before its effect.
	CutAtRequest FaultKind = "cut-at-request"
	// CutAtReply breaks the connection in place of the reply, after the effect.
	CutAtReply FaultKind = "cut-at-reply"
)

// Faults of connections. Each comes at once, to the WebSocket connections that are open.
const (
	// Cut breaks the connection, without a closing handshake.
	Cut FaultKind = "cut"
	// LosePrivate ends the private channels of the connection without a word. They can be subscribed again.
	LosePrivate FaultKind = "lose-private"
	// Stall has the server's side of the connection neither read nor write: for Fault.For, or for good when that is 0. The
	// exchange's clocks go on, and when it gives the connection up, then its client is not told either: the socket stays half-open
	// until the client closes it, the stall ends, or Server.Close.
	Stall FaultKind = "stall"
	// Segment has everything that the server writes arrive in pieces of one byte each; over TCP they may be joined on the way. When it
	// befalls every connection, those to come have it from their first byte.
	Segment FaultKind = "segment"
)

// SkewClock sets the exchange's clock: ahead of the real time by Fault.For, or behind it when that is negative. Timestamps, the
// time that public/get_time tells, and the life of signatures and tokens follow it; heartbeats and credits do not.
const SkewClock FaultKind = "skew-clock"

// ofRequests are the kinds that wait for a request.
var ofRequests = []FaultKind{LoseRequest, LoseReply, DelayReply, DuplicateReply, CutAtRequest, CutAtReply}

// ofConnections are the other kinds.
var ofConnections = []FaultKind{Cut, LosePrivate, Stall, Segment, SkewClock}

// Fault is something that goes wrong on command.
type Fault struct {
	Kind FaultKind
	// Conn is the WebSocket connection that it befalls, by its number as in Frame.Conn; 0 is every one, or for a fault of
	// requests whichever comes first.
	Conn uint64
	// Method is that of the requests that it befalls: one, all of a name's beginning as in "private/*", or any when it is empty.
	Method string
	// Times is how many requests it befalls; 0 is one.
	Times int
	// For is how long a reply is late, how long a connection stalls, or how far ahead the clock is.
	For time.Duration
}

// String says what happens, for logs.
func (f Fault) String() string {
	text := string(f.Kind)
	if f.Method != "" {
		text += " of " + f.Method
	}
	if f.Conn != 0 {
		text += fmt.Sprintf(" on connection %d", f.Conn)
	}
	switch {
	case f.Kind == SkewClock:
		text += fmt.Sprintf(" by %v", f.For)
	case f.For != 0:
		text += fmt.Sprintf(" for %v", f.For)
	case f.Kind == Stall:
		text += " for good"
	}
	return text
}

// Inject has a fault happen. Each time that it does, Stats.Faults counts it. It panics for a kind that there is not.
func (s *Server) Inject(f Fault) {
	if !slices.Contains(ofRequests, f.Kind) && !slices.Contains(ofConnections, f.Kind) {
		panic(fmt.Sprintf("deribittest: inject: kind %q", f.Kind))
	}
	s.locked(func(ex *exchange) { ex.inject(f) })
}

func (ex *exchange) inject(f Fault) {
	switch {
	case slices.Contains(ofRequests, f.Kind):
		f.Times = max(1, f.Times)
		ex.faults = append(ex.faults, f)
		return
	case f.Kind == SkewClock:
		f.Conn, ex.skew = 0, f.For
		ex.fired(f)
		return
	case f.Kind == Segment && f.Conn == 0:
		ex.server.wires.segment.Store(true)
	}
	for _, c := range ex.befallen(f.Conn) {
		if ex.strike(c, f) {
			f.Conn = c.id
			ex.fired(f)
		}
	}
}

// fired counts a fault that happened, and has it told.
func (ex *exchange) fired(f Fault) {
	ex.stats.Faults[f.Kind]++
	if ex.cfg.OnFault != nil {
		ex.untold = append(ex.untold, f)
		signal(ex.server.news)
	}
}

// befallen are the connections that a number stands for, in the order in which they came.
func (ex *exchange) befallen(number uint64) []*conn {
	var all []*conn
	for id, c := range ex.conns {
		if number == 0 || number == id {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	return all
}

// strike has a fault befall a connection, and reports whether there was anything to it.
func (ex *exchange) strike(c *conn, f Fault) bool {
	switch f.Kind {
	case Cut:
		c.cut()
		ex.leave(c)
	case LosePrivate:
		return ex.losePrivate(c)
	case Stall:
		return c.wire.stall(f.For)
	case Segment:
		c.wire.crumble()
	case LoseRequest, LoseReply, DelayReply, DuplicateReply, CutAtRequest, CutAtReply, SkewClock: // not of connections
	}
	return true
}

func (ex *exchange) losePrivate(c *conn) (lost bool) {
	for k := range c.subs {
		if k.account != 0 {
			ex.unsubscribe(c, k)
			lost = true
		}
	}
	return lost
}

// befalls takes a fault of one of the kinds that is to befall a request, if there is one.
func (ex *exchange) befalls(c *conn, method string, kinds ...FaultKind) (Fault, bool) {
	for i := range ex.faults {
		f := &ex.faults[i]
		if !slices.Contains(kinds, f.Kind) || f.Conn != 0 && f.Conn != c.id || !f.meets(method) {
			continue
		}
		f.Times--
		met := *f
		if f.Times == 0 {
			ex.faults = slices.Delete(ex.faults, i, i+1)
		}
		met.Conn, met.Method = c.id, method
		ex.fired(met)
		return met, true
	}
	return Fault{}, false
}

func (f *Fault) meets(method string) bool {
	if begin, ok := strings.CutSuffix(f.Method, "*"); ok {
		return strings.HasPrefix(method, begin)
	}
	return f.Method == "" || f.Method == method
}

// lost reports whether a request is lost on its way in.
func (ex *exchange) lost(c *conn, method string) bool {
	f, ok := ex.befalls(c, method, LoseRequest, CutAtRequest)
	if f.Kind == CutAtRequest {
		c.cut()
		ex.leave(c)
	}
	return ok
}

// reply has a reply answered, unless a fault befalls it.
func (ex *exchange) reply(c *conn, m outgoing) {
	if c.gone { // dropped by what its own call caused
		m.finish()
		return
	}
	f, _ := ex.befalls(c, m.method, LoseReply, DelayReply, DuplicateReply, CutAtReply)
	switch f.Kind {
	case LoseReply:
		m.finish()
	case CutAtReply:
		c.cut()
		ex.leave(c)
		m.finish()
	case DelayReply:
		c.late = append(c.late, lateReply{m, time.Now().Add(f.For)})
		signal(c.mind)
	case DuplicateReply:
		ex.answer(c, outgoing{method: m.method, data: m.data})
		ex.answer(c, m)
	case LoseRequest, CutAtRequest, Cut, LosePrivate, Stall, Segment, SkewClock: // not of replies
	default:
		ex.answer(c, m)
	}
}

// lateReply is a reply that a fault keeps back.
type lateReply struct {
	outgoing

	due time.Time
}

// sendLate queues the late replies that are due.
func (c *conn) sendLate(now time.Time) {
	waiting := c.late
	c.late = nil
	for _, m := range waiting {
		if now.Before(m.due) {
			c.late = append(c.late, m)
		} else {
			c.push(m.outgoing)
		}
	}
}
