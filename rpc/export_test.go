package rpc

import "context"

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
