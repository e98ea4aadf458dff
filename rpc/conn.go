package rpc

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// A Caller makes calls: a [*Conn], or a session that outlives connections.
type Caller interface {
	// Call sends method with params (nil means an empty object) and decodes the result into result, unless that is
	// nil. It returns nil, an [*Error] if the server refused, or a [*CallError] if there was no answer.
	Call(ctx context.Context, method string, params, result any) error
}

// Call makes a call whose result is a T.
func Call[T any](ctx context.Context, c Caller, method string, params any) (T, error) {
	var result T
	err := c.Call(ctx, method, params, &result)
	return result, err
}

// Lane orders the frames that wait while another goroutine writes.
type Lane uint8

// The lanes, in the order in which they leave. No lane starves.
const (
	LaneControl Lane = iota // heartbeat answers, authentication, logout
	LaneCancel
	LaneOrder
	LaneRead
	LaneSubscribe
	lanes // their number
)

// reserve is how many calls of the lane may be pending beyond Config.MaxPending.
func (l Lane) reserve() int {
	if l <= LaneCancel {
		return 64
	}
	return 0
}

// Config configures a Conn. Its zero value works.
type Config struct {
	// Handler is called for each notification, in wire order, on the reader's goroutine: it must not block, and must
	// not call the Conn, and a panic in it is the program's. Nil drops notifications and reports them as strays.
	Handler func(Notification)
	// Observer is told of calls; nil for none.
	Observer Observer
	// OnStray is told of frames that belong to no waiting call, under the same terms as Handler; nil for none. It is
	// the session's share of what Observer.Stray tells telemetry.
	OnStray func(Stray)
	// Codec encodes params and decodes results; its zero value is encoding/json.
	Codec Codec
	// Lane says in which lane a method's frame waits; nil puts all into LaneRead.
	Lane func(method string) Lane
	// Classify judges the server's error codes; nil knows only those of the JSON-RPC specification.
	Classify func(Code) Verdict
	// Sensitive says for which methods the frames of request and reply are wiped from the Conn's buffers as soon as
	// they have been used; nil wipes none.
	Sensitive func(method string) bool
	// WriteTimeout ends the connection with ErrWriteStalled if a write takes longer; 0 means 5 s. Callers write
	// themselves. None is held by a stalled write if the Transport is a Flusher and its network can be tried without waiting, as
	// TCP without a proxy can on Unix; else one of them may be, for that long after its context has ended, and as long as the
	// Transport's Close takes.
	WriteTimeout time.Duration
	// MaxPending bounds the unanswered calls; 0 means 4096. There is room for 64 more of LaneControl and LaneCancel: an exchange
	// that answers nothing is no reason to leave its heartbeat unanswered, or orders uncancelled.
	MaxPending int
	// MaxRequest bounds the bytes of one outgoing frame; 0 means no bound. A longer one fails its call with
	// ErrMessageTooBig before anything is sent.
	MaxRequest int
	// MaxResult bounds the bytes of the result of a method, if it is more than 64 KiB; 0 and nil mean no bound. A longer result is
	// not kept: its call ends with an error that matches ErrDecode and ErrMessageTooBig. The call was executed.
	MaxResult func(method string) int
	// MaxDepth bounds the nesting of an incoming frame; 0 means 64, and more than 10,000 means 10,000.
	MaxDepth int
}

func (c Config) withDefaults() Config {
	if c.WriteTimeout <= 0 {
		c.WriteTimeout = 5 * time.Second
	}
	if c.MaxPending <= 0 {
		c.MaxPending = 4096
	}
	if c.MaxRequest <= 0 {
		c.MaxRequest = math.MaxInt
	}
	if c.MaxDepth <= 0 {
		c.MaxDepth = 64
	}
	c.MaxDepth = min(c.MaxDepth, 10_000) // as encoding/json
	c.Codec = c.Codec.withDefaults()
	return c
}

// Conn is one connection. Any number of goroutines may use it. A connection that has ended stays so.
type Conn struct {
	transport Transport
	flusher   Flusher // the same, if it is one
	cfg       Config
	running   sync.WaitGroup // the reader and flush
	done      chan struct{}
	calls     sync.Pool // of *call; per Conn, since channels must not leave a synctest bubble
	handles   handles
	counters  counters

	watchdog *time.Timer   // runs stall if a write takes too long
	stalled  chan struct{} // of 1: stall has ended

	batch   batch   // of whoever has the writer's role
	unasked unasked // of the reader

	mu sync.Mutex // protects the fields below
	// err is set before done is closed; nothing is pending or queued afterwards.
	err      error
	ids      ids
	pending  slots         // calls that were registered and have no outcome
	queues   [lanes]queue  // those of pending whose frame has not been taken
	waiting  int           // calls in queues
	draining bool          // Drain was called
	handed   int           // calls that were answered since the last write
	writing  bool          // somebody has the writer's role
	gatherer *call         // who has it and yields, so that a caller who does not may take it over
	rested   time.Duration // by clock: when a caller may yield again
	left     tombstones
	answered recent
}

// NewConn returns a connection over t, which it owns from now on, and starts its reader. The connection lives until t
// fails, the peer breaks the protocol, or Close.
func NewConn(t Transport, cfg Config) *Conn {
	c := &Conn{
		transport: t,
		cfg:       cfg.withDefaults(),
		done:      make(chan struct{}),
		stalled:   make(chan struct{}, 1),
		rested:    clock(),
	}
	c.flusher, _ = t.(Flusher)
	c.watchdog = time.AfterFunc(math.MaxInt64, c.stall)
	c.watchdog.Stop()
	c.running.Go(c.read)
	return c
}

// Done is closed when the connection has ended; Err then says why.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is why the connection ended, nil while it has not: it matches [ErrClosed], [ErrWriteStalled], [ErrMalformed], the
// Transport's error, or what CloseWithError was given.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Drain refuses further calls but those of LaneControl, as NotSent with [ErrDraining], and returns when every call has its
// outcome: then the connection can be closed without a call that nobody knows the outcome of. It returns ctx's error, or why
// the connection has ended. It may be called again.
func (c *Conn) Drain(ctx context.Context) error {
	c.mu.Lock()
	if err := c.err; err != nil {
		c.mu.Unlock()
		return err
	}
	c.draining = true
	if c.pending.n > 0 && c.pending.emptied == nil {
		c.pending.emptied = make(chan struct{})
	}
	emptied, isEmpty := c.pending.emptied, c.pending.n == 0
	c.mu.Unlock()
	if isEmpty {
		return nil
	}
	select {
	case <-emptied:
		return nil
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the connection, and with it every call that waits, and returns when the reader has ended: so it must not
// be called by Config.Handler. It returns the error of the Transport's Close. Further calls do nothing more.
func (c *Conn) Close() error { return c.CloseWithError(ErrClosed) }

// CloseWithError is Close for a reason: Err returns it, and the calls that wait end with it. nil is [ErrClosed].
func (c *Conn) CloseWithError(reason error) error {
	if reason == nil {
		reason = ErrClosed
	}
	c.fail(reason)
	err := c.transport.Close()
	c.running.Wait()
	return err
}

// end ends the connection for a reason that was met on it.
func (c *Conn) end(reason error) {
	c.fail(reason)
	_ = c.transport.Close() // the connection has ended already, and reason says why
}

// fail gives every pending call its outcome. Only the first reason counts.
func (c *Conn) fail(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = reason
	for cl := range c.pending.all {
		outcome := c.dropLocked(cl)
		if outcome == Unknown { // where only writing has failed, its answer may still be read
			c.left.add(tombstone{cl.id, cl.method})
		}
		cl.complete(cl.unanswered(outcome, reason))
	}
	c.pending = slots{}
	close(c.done)
}

// dropLocked takes a call's frame out of its lane, if it still waits there: then nothing of it was sent.
func (c *Conn) dropLocked(cl *call) Outcome {
	if cl.frame == nil {
		return Unknown
	}
	c.unqueueLocked(cl).release()
	return NotSent
}

// register gives the call its id, enters it into pending and puts its frame into its lane. It reports whether the caller
// has the writer's role now.
func (c *Conn) register(cl *call, f *frame) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false, c.err
	}
	switch {
	case c.draining && cl.lane != LaneControl:
		return false, ErrDraining
	case c.pending.n >= c.cfg.MaxPending+cl.lane.reserve():
		return false, ErrTooManyPending
	}
	c.pending.put(&c.ids, cl)
	f.seal(cl.id)
	if n := len(f.message()); n > c.cfg.MaxRequest {
		c.pending.remove(cl)
		return false, fmt.Errorf("%w: %d bytes, at most %d may leave", ErrMessageTooBig, n, c.cfg.MaxRequest)
	}
	cl.frame = f
	c.queueLocked(cl)
	cl.yields = c.pending.n+c.handed >= cl.lane.yieldsFrom()
	writes := !c.writing || c.gatherer != nil && !cl.yields
	if writes {
		c.writing, c.gatherer = true, nil
	}
	return writes, nil
}

// leave ends a call whose caller has left, unless it has its outcome already.
func (c *Conn) leave(cl *call, reason error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending.find(cl.id) != cl {
		return false
	}
	if !c.withdrawLocked(cl) {
		c.pending.remove(cl)
		c.left.add(tombstone{cl.id, cl.method})
		cl.err = cl.unanswered(Unknown, reason)
		return true
	}
	cl.err = cl.unanswered(NotSent, reason)
	return true
}

// withdraw takes a call back whose frame still waits in its lane.
func (c *Conn) withdraw(cl *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.withdrawLocked(cl)
}

func (c *Conn) withdrawLocked(cl *call) bool {
	if cl.frame == nil {
		return false
	}
	c.pending.remove(cl)
	c.unqueueLocked(cl).release()
	if cl.heir {
		c.passOnLocked()
	}
	return true
}
