package rpc

import (
	"context"
	"fmt"
	"time"
)

// signal wakes a caller.
type signal uint8

const (
	signalWrite signal = iota // the caller has the writer's role now
	signalTaken               // a writer has taken the frame; only for callers in Send
	signalDone                // the call has its outcome; the last signal of a call
)

// call is one request from its registration to its outcome. Whoever removes it from Conn.pending, under Conn.mu, owns
// the outcome's fields until it signals that it is done; the caller owns them afterwards. Since ids are never used
// twice, no late frame reaches the next call for which the same struct is used.
type call struct {
	method    string
	lane      Lane
	sensitive bool
	pipelined bool // by Send
	yields    bool // lets others share its write; see Lane.yieldsFrom
	trace     trace

	// wake is of 2: while the frame waits, under Conn.mu, at most one of signalWrite and signalTaken; then signalDone.
	wake chan signal

	// The outcome.
	reply  []byte // a copy of the result
	err    error
	server time.Duration

	// Protected by Conn.mu from registration on.
	id         uint64
	frame      *frame // while it waits in its lane
	heir       bool   // it was given the writer's role and has not taken it up
	prev, next *call  // in its lane
}

// trace is what the Observer is told; it stays zero without one.
type trace struct {
	ctx   context.Context //nolint:containedctx // handed back to the Observer, used by nothing else
	start time.Duration   // by clock
	taken time.Duration   // when the frame was handed to the writer; protected by Conn.mu until the outcome
}

var started = time.Now()

// clock is the time since the program started: half as dear as time.Now.
func clock() time.Duration { return time.Since(started) }

func (c *Conn) newCall(ctx context.Context, method string) *call {
	cl, ok := c.calls.Get().(*call)
	if !ok {
		cl = &call{wake: make(chan signal, 2)}
	}
	cl.method, cl.lane = method, c.laneOf(method)
	cl.sensitive = c.cfg.Sensitive != nil && c.cfg.Sensitive(method)
	if c.cfg.Observer != nil {
		start := clock()
		cl.trace = trace{start: start, ctx: c.cfg.Observer.CallStart(ctx, CallInfo{Method: method, Lane: cl.lane})}
	}
	return cl
}

func (c *Conn) laneOf(method string) Lane {
	if c.cfg.Lane == nil {
		return LaneRead
	}
	if lane := c.cfg.Lane(method); lane < lanes {
		return lane
	}
	return LaneRead
}

// finish reports the outcome and gives the call back; nobody may use it any more.
func (c *Conn) finish(cl *call, err error) error {
	if c.cfg.Observer != nil {
		c.observeEnd(cl, err)
	}
	if cl.sensitive {
		clear(cl.reply[:cap(cl.reply)])
	}
	if cap(cl.reply) > keepBuffer {
		cl.reply = nil
	}
	for len(cl.wake) > 0 { // told too late to matter
		<-cl.wake
	}
	*cl = call{wake: cl.wake, reply: cl.reply[:0]}
	c.calls.Put(cl)
	return err
}

func (c *Conn) observeEnd(cl *call, err error) {
	end := CallEnd{Err: err, Total: clock() - cl.trace.start, Server: cl.server}
	if cl.trace.taken != 0 {
		end.Queued = cl.trace.taken - cl.trace.start
	}
	c.cfg.Observer.CallEnd(cl.trace.ctx, CallInfo{Method: cl.method, ID: cl.id, Lane: cl.lane}, end)
}

// complete ends a call that has been removed from pending. It never blocks.
func (cl *call) complete(err error) {
	cl.err = err
	cl.wake <- signalDone
}

func (cl *call) unanswered(outcome Outcome, reason error) error {
	return &CallError{Method: cl.method, ID: cl.id, Outcome: outcome, Err: reason}
}

// decode decodes the reply into result.
func (c *Conn) decode(cl *call, result any) error {
	if result == nil {
		return nil
	}
	err := c.cfg.Codec.Unmarshal(cl.reply, result)
	switch {
	case err == nil:
		return nil
	case cl.sensitive: // the reason may quote the reply
		return fmt.Errorf("%w: %s: %T", ErrDecode, cl.method, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrDecode, cl.method, err)
}
