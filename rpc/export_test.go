package rpc

import (
	"context"
	"runtime"
	"time"
)

// Envelope is what the scanner finds in a frame.
type Envelope struct {
	Method, Params, Result []byte
	ID                     uint64
	HasID                  bool
	Failed                 bool
	Code                   int64
	Message                string
	Data                   []byte
	UsIn, UsOut, UsDiff    int64
}

// ParseEnvelope parses a frame.
func ParseEnvelope(text []byte, maxDepth int) (Envelope, error) {
	var e envelope
	if err := e.parse(text, maxDepth); err != nil {
		return Envelope{}, err
	}
	out := Envelope{
		Method: e.method, Params: e.params, Result: e.result, ID: e.id, HasID: e.hasID,
		UsIn: e.usIn, UsOut: e.usOut, UsDiff: e.usDiff,
	}
	if f := e.failure; f != nil {
		out.Failed, out.Code, out.Message, out.Data = true, f.code, f.message, f.data
	}
	return out, nil
}

// Bounds of a Conn's tables.
const (
	MaxTombstones = maxTombstones
	MaxRecent     = maxRecent
	MaxUnasked    = maxUnasked
	MaxRounds     = maxRounds
	IDBlock       = idBlock
)

// IDs hands out ids as a Conn does.
type IDs struct{ ids }

// Take returns the next id.
func (s *IDs) Take() uint64 { return s.take() }

// SendOvertaken is a Send whose answer has come before it saw that its frame was taken.
func SendOvertaken(ctx context.Context, c *Conn, result string) (*Pending, error) {
	cl := c.newCall(ctx, "public/test")
	cl.reply = append(cl.reply, result...)
	cl.complete(nil)
	if err := c.awaitTaken(ctx, cl); err != nil {
		return nil, err
	}
	return &Pending{conn: c, call: cl}, nil
}

// Gatherer is a call that has the writer's role and lets others share its write.
type Gatherer struct {
	conn *Conn
	call *call
}

// Gather registers a call that yields, as if another were under way, and stops while it does.
func Gather(ctx context.Context, c *Conn, method string) (Gatherer, error) {
	cl := c.newCall(ctx, method)
	f, err := c.encode(cl, nil)
	if err != nil {
		return Gatherer{}, err
	}
	if _, err := c.register(cl, f); err != nil {
		return Gatherer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cl.yields, c.gatherer = true, cl
	return Gatherer{c, cl}, nil
}

// Finish goes on where Gather stopped.
func (g Gatherer) Finish(ctx context.Context) error {
	g.conn.mu.Lock()
	overtaken := g.conn.gatherer != g.call
	g.conn.mu.Unlock()
	if !overtaken {
		g.conn.write(ctx, g.call)
	}
	return g.conn.finish(g.call, g.conn.await(ctx, g.call))
}

// Hurry registers an urgent call, as if g had the role but did not gather yet. The function that it returns has g go on.
func (g Gatherer) Hurry(ctx context.Context, method string) (write func(), err error) {
	c := g.conn
	c.mu.Lock()
	c.gatherer = nil
	c.mu.Unlock()
	cl := c.newCall(ctx, method)
	f, err := c.encode(cl, nil)
	if err != nil {
		return nil, err
	}
	_, err = c.register(cl, f)
	return func() { c.write(ctx, g.call) }, err
}

// Overtaker is an urgent call that has taken the writer's role from one who gathers.
type Overtaker struct {
	conn *Conn
	call *call
}

// Overtake registers an urgent call when somebody gathers, and stops before it writes. It reports whether it came in time
// for that.
func Overtake(ctx context.Context, c *Conn, method string) (Overtaker, bool, error) {
	cl := c.newCall(ctx, method)
	f, err := c.encode(cl, nil)
	if err != nil {
		return Overtaker{}, false, err
	}
	for tries := 0; !Gathers(c) && tries < 10_000; tries++ {
		runtime.Gosched()
	}
	writes, err := c.register(cl, f)
	if err != nil {
		return Overtaker{}, false, err
	}
	c.mu.Lock()
	inTime := writes && c.waiting == 2
	c.mu.Unlock()
	if writes && !inTime {
		c.write(ctx, cl)
	}
	return Overtaker{c, cl}, inTime, nil
}

// Write goes on where Overtake stopped.
func (o Overtaker) Write(ctx context.Context) { o.conn.write(ctx, o.call) }

// Gathers reports whether somebody gathers.
func Gathers(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gatherer != nil
}

// Rests reports whether no caller may yield just now.
func Rests(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return clock() < c.rested
}

// Rest has nobody yield for a time.
func Rest(c *Conn, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rested = clock() + d
}
