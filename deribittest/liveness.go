package deribittest

import "time"

const (
	minHeartbeat  = 10 * time.Second
	maxInactivity = 10 * time.Minute
	closeGrace    = 5 * time.Second
)

// clocks are the times at which a connection has something due. A zero time is not due.
type clocks struct {
	lastIn   time.Time     // last message of the client
	interval time.Duration // of the heartbeat; 0 is none
	nextBeat time.Time
	testDue  time.Time // by then test_request has to be answered
	heldDue  time.Time // by then held replies go out
	closeBy  time.Time // by then a closing connection is cut
}

// next returns the earliest time at which something is due.
func (c *conn) next() time.Time {
	first := c.lastIn.Add(maxInactivity)
	for _, t := range [...]time.Time{c.nextBeat, c.testDue, c.heldDue, c.closeBy} {
		if !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	for _, m := range c.late {
		if m.due.Before(first) {
			first = m.due
		}
	}
	return first
}

// watch is the minder: it acts when something of the connection is due.
func (c *conn) watch() {
	timer := time.NewTimer(maxInactivity)
	defer timer.Stop()
	for {
		c.server.locked(func(*exchange) { timer.Reset(time.Until(c.next())) })
		select {
		case <-timer.C:
			c.server.locked(func(ex *exchange) { ex.due(c, time.Now()) })
		case <-c.mind:
		case <-c.ctx.Done():
			return
		}
	}
}

// due does what is due on a connection. A client that is silent for too long, or leaves a test_request unanswered, is cut at
// once; that triggers cancel on disconnect.
func (ex *exchange) due(c *conn, now time.Time) {
	passed := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	switch {
	case c.gone:
		return
	case passed(c.closeBy), passed(c.testDue), passed(c.lastIn.Add(maxInactivity)):
		c.cut()
		ex.leave(c)
		return
	}
	if passed(c.heldDue) {
		c.release()
	}
	c.sendLate(now)
	if passed(c.nextBeat) {
		ex.beat(c, now)
	}
}

// beat sends the two messages of a heartbeat. How they relate, and how soon the answer is due, is not documented.
func (ex *exchange) beat(c *conn, now time.Time) {
	c.nextBeat = now.Add(c.interval)
	c.push(outgoing{data: heartbeatFrame("heartbeat")})
	if c.testDue.IsZero() {
		c.testDue = now.Add(c.interval)
		if ex.cfg.HeartbeatGrace > 0 {
			c.testDue = now.Add(ex.cfg.HeartbeatGrace)
		}
		c.push(outgoing{data: heartbeatFrame("test_request")})
	}
}

// setHeartbeat is public/set_heartbeat.
func (ex *exchange) setHeartbeat(r *request) (any, *rpcError) {
	p, fault := decodeParams[struct {
		Interval float64 `json:"interval"`
	}](r.params)
	if fault != nil {
		return nil, fault
	}
	const longest = 24 * time.Hour
	if !(p.Interval >= minHeartbeat.Seconds() && p.Interval <= longest.Seconds()) {
		return nil, invalidParam("interval", "out of range")
	}
	c := r.conn
	c.interval = time.Duration(p.Interval * float64(time.Second))
	c.nextBeat, c.testDue = time.Now().Add(c.interval), time.Time{}
	signal(c.mind)
	return "ok", nil
}

// disableHeartbeat is public/disable_heartbeat.
func (ex *exchange) disableHeartbeat(r *request) (any, *rpcError) {
	c := r.conn
	c.interval, c.nextBeat, c.testDue = 0, time.Time{}, time.Time{}
	return "ok", nil
}
