package rpc

import (
	"bytes"
	"fmt"
	"time"
)

// read is the reader: the one goroutine that a Conn has.
func (c *Conn) read() {
	for {
		msg, err := c.transport.ReadMessage()
		if err != nil {
			c.end(readError(err))
			return
		}
		c.counters.received.Add(1)
		c.counters.bytesIn.Add(uint64(len(msg)))
		if err := c.dispatch(msg); err != nil {
			c.end(err)
			return
		}
	}
}

// dispatch brings a frame to where it belongs. It never waits. An error means that the frame is no envelope, or one answer too many
// that nobody asked for.
func (c *Conn) dispatch(msg []byte) error {
	var env envelope
	if err := env.parse(msg, c.cfg.MaxDepth); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch {
	case env.method != nil:
		c.notify(&env)
	case env.hasID:
		return c.answer(msg, &env)
	default:
		c.report(Stray{Kind: StrayError, Err: c.refusal(&env, "")})
	}
	return nil
}

// answer completes the call that the frame answers.
func (c *Conn) answer(msg []byte, env *envelope) error {
	cl, stray := c.takeCall(env.id)
	if cl == nil {
		if env.failure != nil {
			stray.Err = c.refusal(env, stray.Method)
		}
		if c.cfg.Sensitive != nil && stray.Method != "" && c.cfg.Sensitive(stray.Method) {
			clear(msg)
		}
		c.report(stray)
		return c.heed(stray)
	}
	cl.server = time.Duration(env.serverTime()) * time.Microsecond
	sensitive := cl.sensitive
	var err error
	switch {
	case env.failure != nil:
		err = c.refusal(env, cl.method)
	case c.isTooLong(cl.method, env.result):
		err = fmt.Errorf("%w: %s: %w: %d bytes", ErrDecode, cl.method, ErrMessageTooBig, len(env.result))
	default:
		cl.reply = append(cl.reply[:0], env.result...)
	}
	if sensitive {
		clear(msg)
	}
	cl.complete(err)
	return nil
}

// isTooLong reports whether a result is longer than any of its method can be.
func (c *Conn) isTooLong(method string, result []byte) bool {
	if len(result) <= keepBuffer || c.cfg.MaxResult == nil {
		return false
	}
	most := c.cfg.MaxResult(method)
	return most > 0 && len(result) > most
}

// takeCall removes the call that an answer belongs to from pending, or says what the answer is instead.
func (c *Conn) takeCall(id uint64) (*call, Stray) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.pending.find(id)
	if cl == nil || cl.frame != nil { // a frame that still waits has not been sent
		return nil, c.strayLocked(id)
	}
	c.pending.remove(cl)
	c.handed++
	c.answered.add(id)
	return cl, Stray{}
}

// refusal makes the Error of an envelope that has one.
func (c *Conn) refusal(env *envelope, method string) *Error {
	f := env.failure
	err := &Error{Code: Code(f.code), Message: f.message, Data: bytes.Clone(f.data), method: method}
	if c.cfg.Classify != nil {
		v := c.cfg.Classify(err.Code)
		err.verdict = &v
	}
	return err
}
