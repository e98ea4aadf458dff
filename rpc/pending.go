package rpc

import (
	"context"
	"errors"
	"sync"
)

const handlesAtOnce = 64

// Call sends method with params (nil means an empty object) and decodes the result into result, unless that is nil.
//
// It returns nil; an [*Error] if the server refused; a [*CallError] if there was no answer; or an error that matches
// [ErrDecode] if the answer does not fit result. When ctx ends, the call ends: as NotSent while its frame still waited
// behind others, else as Unknown, and a late answer is reported as a stray. See Config.WriteTimeout for the one thing
// that can outlast ctx.
func (c *Conn) Call(ctx context.Context, method string, params, result any) error {
	cl := c.newCall(ctx, method)
	err := c.do(ctx, cl, params)
	if err == nil {
		err = c.decode(cl, result)
	}
	return c.finish(cl, err)
}

// CallRaw is Call with a result that is not decoded: it appends the result's JSON to dst and returns the extended slice,
// which the caller owns. What is in an object or an array has not been checked: that is for its decoder. After an error it
// returns dst as it was.
func (c *Conn) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	cl := c.newCall(ctx, method)
	err := c.do(ctx, cl, params)
	if err == nil {
		dst = append(dst, cl.reply...)
	}
	return dst, c.finish(cl, err)
}

// Send sends a call whose answer a Pending waits for, so that one goroutine has many calls under way. It returns when
// the frame is with the transport, or in the batch of whoever writes for others just now: no call that is made afterwards
// leaves before it. Its errors are those of Call that say that nothing was sent. Every Pending must be waited for.
func (c *Conn) Send(ctx context.Context, method string, params any) (*Pending, error) {
	cl := c.newCall(ctx, method)
	cl.pipelined = true
	err := c.submit(ctx, cl, params)
	if err == nil {
		err = c.awaitTaken(ctx, cl)
	}
	if err != nil {
		return nil, c.finish(cl, err)
	}
	p := c.handles.next()
	*p = Pending{conn: c, call: cl, id: cl.id}
	return p, nil
}

// Pending is a call that was sent and not yet waited for. One goroutine uses it, and waits once: a second wait panics.
type Pending struct {
	conn *Conn
	call *call
	id   uint64
}

// handles are Pendings, of which many share an allocation. None is used twice: it may be kept by whoever had it.
type handles struct {
	mu   sync.Mutex // protects free
	free []Pending
}

func (h *handles) next() *Pending {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.free) == 0 {
		h.free = make([]Pending, handlesAtOnce)
	}
	p := &h.free[0]
	h.free = h.free[1:]
	return p
}

// ID is the call's id, which no other call of this process has.
func (p *Pending) ID() uint64 { return p.id }

// Wait waits for the answer and decodes it into result, unless that is nil. Its errors are those of Call.
func (p *Pending) Wait(ctx context.Context, result any) error {
	cl := p.take()
	err := p.conn.await(ctx, cl)
	if err == nil {
		err = p.conn.decode(cl, result)
	}
	return p.conn.finish(cl, err)
}

// WaitRaw waits for the answer and appends the result's JSON to dst, unchecked as CallRaw does. Its errors are those of CallRaw.
func (p *Pending) WaitRaw(ctx context.Context, dst []byte) ([]byte, error) {
	cl := p.take()
	err := p.conn.await(ctx, cl)
	if err == nil {
		dst = append(dst, cl.reply...)
	}
	return dst, p.conn.finish(cl, err)
}

func (p *Pending) take() *call {
	cl := p.call
	if cl == nil {
		panic("rpc: a Pending was waited for twice")
	}
	p.call = nil
	return cl
}

// do sends a call and waits for its outcome.
func (c *Conn) do(ctx context.Context, cl *call, params any) error {
	if err := c.submit(ctx, cl, params); err != nil {
		return err
	}
	return c.await(ctx, cl)
}

// submit encodes and registers a call, and writes it unless somebody else does. Its errors say that nothing was sent and
// that the call is not registered.
func (c *Conn) submit(ctx context.Context, cl *call, params any) error {
	if err := ctx.Err(); err != nil {
		return cl.unanswered(NotSent, err)
	}
	f, err := c.encode(cl, params)
	if err != nil {
		return cl.unanswered(NotSent, err)
	}
	writes, err := c.register(cl, f)
	if err != nil {
		f.release()
		return cl.unanswered(NotSent, err)
	}
	if writes {
		c.write(ctx, cl)
	}
	return nil
}

// await waits for the outcome of a call that was submitted.
func (c *Conn) await(ctx context.Context, cl *call) error {
	for {
		s, err := cl.signal(ctx)
		switch {
		case err != nil:
			return c.abandon(cl, err)
		case s == signalDone:
			return cl.err
		case s == signalWrite:
			c.write(ctx, cl)
		}
	}
}

// signal waits for the call's next signal, or for the end of ctx.
func (cl *call) signal(ctx context.Context) (signal, error) {
	ended := ctx.Done()
	if ended == nil { // far cheaper than a select
		return <-cl.wake, nil
	}
	select {
	case s := <-cl.wake:
		return s, nil
	case <-ended:
		return 0, ctx.Err()
	}
}

// abandon ends a call whose caller leaves.
func (c *Conn) abandon(cl *call, reason error) error {
	if !c.leave(cl, reason) {
		for <-cl.wake != signalDone { // whoever removed it is about to say how it ended
		}
	}
	return cl.err
}

// awaitTaken waits until a writer, perhaps the caller, has taken the frame.
func (c *Conn) awaitTaken(ctx context.Context, cl *call) error {
	for {
		s, err := cl.signal(ctx)
		if err != nil {
			return c.takeBack(cl, err)
		}
		switch s {
		case signalTaken:
			return nil
		case signalWrite:
			c.write(ctx, cl)
		case signalDone:
			if ce, ok := errors.AsType[*CallError](cl.err); ok && ce.Outcome == NotSent {
				return ce
			}
			cl.wake <- signalDone // for Wait
			return nil
		}
	}
}

// takeBack ends a call whose caller leaves Send, unless its frame has been taken: then it has been sent.
func (c *Conn) takeBack(cl *call, reason error) error {
	if c.withdraw(cl) {
		return cl.unanswered(NotSent, reason)
	}
	return nil
}
