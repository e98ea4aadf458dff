package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// losses has faults of every kind hit the connections of sessions while the exchange publishes. Each stream is held against what the
// exchange published, in its order: a place where something is missing has a marker, each loss has one, and nothing comes twice.
//
// A loss of a connection is announced by one marker to each subscription, whether it missed anything or not. A book's break of
// sequence, its beginning anew for another's sake, and an overflow are announced only where something is missing. What the
// exchange ends without a word (lose-private) is seen by no client: the loss of that connection, which comes in the end,
// announces it.
type losses struct {
	Count    int // faults that happen, at least
	Messages int // that are published meanwhile, at least
	Sessions int
	Seed     uint64 // determines which faults come, and when
	Rate     int    // messages a second; 0 is 6000
	// Fault, if set, says how often a consumer sees an entry of its stream: 1 is the truth.
	Fault func(n session.Notification, err error) (times int)
}

// published are the channels: books, which number their messages in a chain, and others, which do not.
var published = []string{
	"book.BTC-PERPETUAL.raw", "book.ETH-PERPETUAL.raw", "book.BTC-PERPETUAL.100ms",
	"trades.BTC-PERPETUAL.raw", "trades.ETH-PERPETUAL.raw", ordersChannel,
}

const ordersChannel = "user.orders.any.any.raw"

// narrow are those of them that each session is subscribed to once more, alone and with a consumer that is too slow.
var narrow = []string{"book.ETH-PERPETUAL.raw", "trades.BTC-PERPETUAL.raw", ordersChannel}

func (m losses) run(ctx context.Context, e env) (r *result, err error) {
	x, err := e.open(ctx, Setup{Tick: -1, Reorder: true, SendBuffer: 1 << 20})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	h := &house{losses: m, exchange: x}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	if err := h.open(ctx); err != nil {
		return nil, err
	}
	orders := newChunk()
	err = orders.load(ordersRate, func() error { return h.publish(ctx) }, h.order(ctx))
	if err != nil {
		return nil, err
	}
	if err := h.finish(ctx); err != nil {
		return nil, err
	}
	r = newResult("losses", "%d sessions of %d channels and %d with a slow consumer each; seed %d", m.Sessions, len(published), len(narrow), m.Seed)
	if err := h.judge(r); err != nil {
		return nil, err
	}
	r.tell("orders", float64(orders.took.TotalCount()), "")
	return r, nil
}

// ordersRate is how many orders a second the witness places: what they are told of is all that the private channel has.
const ordersRate = 200

// house is the sessions that faults befall, and the witness, which is a connection without any. What is written to it is the
// exchange's record.
type house struct {
	losses
	exchange *exchange
	witness  *rpc.Conn
	sessions []*subject
	fired    map[string]int
	orders   int
}

func (h *house) open(ctx context.Context) (err error) {
	if err := h.openWitness(ctx); err != nil {
		return err
	}
	for i := range h.Sessions {
		s := &subject{ready: map[uint64]bool{}, fault: h.Fault}
		cfg := h.exchange.config(fmt.Sprintf("session-%d", i+1), h.exchange.engine())
		cfg.Scope = fmt.Sprintf("session:subject-%d", i+1) // others can take its place
		cfg.Heartbeat, cfg.CallTimeout, cfg.DialTimeout = 10*time.Second, 5*time.Second, 5*time.Second
		cfg.Observer = s
		if err := s.open(ctx, cfg); err != nil {
			return errors.Join(err, s.close(ctx))
		}
		h.sessions = append(h.sessions, s)
	}
	return nil
}

// openWitness opens a connection of the bare protocol: a session would mend its books, and so miss some of what is published.
func (h *house) openWitness(ctx context.Context) error {
	var before uint64
	if err := h.exchange.command("Connections", true, &before); err != nil {
		return err
	}
	transport, err := dialers["lean"].Dial(ctx, rpc.DialConfig{URL: h.exchange.URL})
	if err != nil {
		return err
	}
	h.witness = rpc.NewConn(transport, rpc.Config{Handler: func(rpc.Notification) {}})
	if err := h.exchange.command("Keep", before+1, new(bool)); err != nil {
		return err
	}
	login := map[string]string{
		"grant_type": "client_credentials", "client_id": h.exchange.Admin.ClientID, "client_secret": h.exchange.Admin.Secret,
	}
	if err := h.witness.Call(ctx, "public/auth", login, nil); err != nil {
		return err
	}
	accepted, err := rpc.Call[[]string](ctx, h.witness, "private/subscribe", map[string]any{"channels": published})
	if err == nil && len(accepted) != len(published) {
		err = fmt.Errorf("soak: the exchange has accepted %v of %v", accepted, published)
	}
	return err
}

// order sends an order of the witness.
func (h *house) order(ctx context.Context) func() func() error {
	return func() func() error {
		h.orders++
		sent, err := h.witness.Send(ctx, "private/buy", newOrder(fmt.Sprintf("order-%d", h.orders)))
		return func() error {
			if err != nil {
				return err
			}
			return sent.Wait(ctx, nil)
		}
	}
}

// publish has the exchange publish, and a fault come now and then, until there has been enough of both.
func (h *house) publish(ctx context.Context) error {
	rate := h.Rate
	if rate == 0 {
		rate = 6000
	}
	plan := newPlan(h.Seed)
	step := max(50, h.Messages/h.Count)
	stuck := time.Now().Add(stuckFor)
	for messages, happened := 0, 0; messages < h.Messages || h.lacks(happened); {
		portion := Portion{N: step/2 + plan.rng.IntN(step), Rate: rate}
		if err := h.exchange.command("Publish", portion, &messages); err != nil {
			return err
		}
		if h.lacks(happened) {
			if err := h.exchange.command("Strike", plan.next(), new(bool)); err != nil {
				return err
			}
		}
		was := happened
		if err := h.count(&happened); err != nil {
			return err
		}
		switch {
		case happened > was:
			stuck = time.Now().Add(stuckFor)
			h.exchange.progress("faults", happened, h.Count)
		case h.lacks(happened) && time.Now().After(stuck):
			return fmt.Errorf("soak: no fault has happened for %v", stuckFor)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// lacks reports whether more faults are to come: too few did, or none of some kind.
func (h *house) lacks(happened int) bool {
	return happened < h.Count || slices.ContainsFunc(faultKinds, func(kind string) bool { return h.fired[kind] < h.least() })
}

// least is how many faults of each kind are to happen: 1, if they are so many.
func (h *house) least() int { return min(1, h.Count/len(faultKinds)) }

// stuckFor is more than the longest time after which a session notices that its connection is dead.
const stuckFor = 2 * time.Minute

// count counts the faults that have happened.
func (h *house) count(happened *int) error {
	h.fired = nil // gob adds to a map that there is
	if err := h.exchange.command("Fired", true, &h.fired); err != nil {
		return err
	}
	*happened = 0
	for _, n := range h.fired {
		*happened += n
	}
	return nil
}

// finish cuts all connections once more, which brings back what was lost without a word, and has all streams read to their end.
func (h *house) finish(ctx context.Context) error {
	for _, s := range h.sessions {
		s.stopCalls()
	}
	epochs := make([]uint64, len(h.sessions))
	for i, s := range h.sessions {
		if err := s.await(ctx, 0); err != nil { // the exchange cannot cut a connection that has yet to come
			return err
		}
		epochs[i] = s.session.Stats().Epoch
	}
	if err := h.exchange.command("CutOthers", true, new(bool)); err != nil {
		return err
	}
	for i, s := range h.sessions {
		if err := s.await(ctx, epochs[i]+1); err != nil {
			return err
		}
	}
	if err := h.exchange.command("Publish", Portion{N: 1000, Rate: 6000}, new(int)); err != nil {
		return err
	}
	if err := h.order(ctx)()(); err != nil { // the private channel's last message
		return err
	}
	for _, s := range h.sessions {
		if err := s.drain(ctx); err != nil {
			return err
		}
	}
	return h.witness.Call(ctx, "public/test", nil, nil) // its answer comes after all that was published
}

func (h *house) close(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, s := range h.sessions {
		err = errors.Join(err, s.close(ctx))
	}
	if h.witness != nil {
		err = errors.Join(err, h.witness.Close())
	}
	return err
}
