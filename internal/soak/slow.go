package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// slow stops a consumer that shares all channels of a busy session: neither calls nor the other consumer may feel it, and memory
// stays bounded.
type slow struct {
	For     time.Duration // that the consumer stands still
	Rate    int           // notifications a second
	Calls   int           // calls a second
	HeapMax float64       // that the heap may grow, in MiB; 0 is 16
	// Fault, if set, is called on the reader's goroutine for messages of one channel while the consumer stands still.
	Fault func()
}

// watchedChannel moves with each tick.
const watchedChannel = "ticker.BTC-PERPETUAL.raw"

func (m slow) run(ctx context.Context, e env) (r *result, err error) {
	x, err := e.open(ctx, Setup{Tick: -1, Watch: watchedChannel})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	one, err := session.Dial(ctx, x.config("busy", x.engine()))
	if err != nil {
		return nil, err
	}
	h := &hall{slow: m, exchange: x, session: one}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	if err := h.open(ctx); err != nil {
		return nil, err
	}
	return h.play(ctx)
}

// hall is a session with two listeners to the same channels.
type hall struct {
	slow
	exchange       *exchange
	session        *session.Session
	channels       int
	watched        int // messages of the watched channel that are dealt with
	steady, halted *listener
	faulty         atomic.Bool
	met            chan struct{} // of 1: a fault has begun
}

func (h *hall) open(ctx context.Context) error {
	instruments, err := listInstruments(ctx, h.session)
	if err != nil {
		return err
	}
	var names []string
	for _, instrument := range instruments {
		// Of a book who comes second is given nothing before the next snapshot: what two were given could not be compared.
		names = append(names, "ticker."+instrument+".raw", "quote."+instrument)
	}
	h.channels = len(names)
	steady, err := h.session.Subscribe(ctx, session.SubscribeConfig{Buffer: 1 << 16, BufferBytes: 64 << 20}, names...)
	if err != nil {
		return err
	}
	h.steady = listen(ctx, steady)
	halted, err := h.session.Subscribe(ctx, session.SubscribeConfig{}, names...)
	if err != nil {
		return err
	}
	h.halted = listen(ctx, halted)
	h.met = make(chan struct{}, 1)
	if h.Fault != nil {
		h.session.Handle(watchedChannel, func(session.Notification) {
			if h.faulty.Load() {
				select {
				case h.met <- struct{}{}:
				default: // it is known
				}
				h.Fault()
			}
		})
	}
	return nil
}

func (h *hall) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := h.session.Close(ctx)
	for _, l := range []*listener{h.steady, h.halted} {
		if l != nil {
			l.reading.Wait()
		}
	}
	return err
}

// scene is what one part of the run met with.
type scene struct {
	calls      chunk
	deliveries latencies // from the exchange's write to the steady listener
	frames     uint64
	heap       uint64 // the most that was live
}

func (h *hall) play(ctx context.Context) (*result, error) {
	snapshots := h.pushed() // they came to the first listener alone
	if err := h.exchange.command("Pump", h.Rate, new(bool)); err != nil {
		return nil, err
	}
	if _, err := h.scene(ctx, max(h.For/10, 200*time.Millisecond)); err != nil { // whatever has to warm up does so here
		return nil, err
	}
	before, err := h.scene(ctx, h.For)
	if err != nil {
		return nil, err
	}
	stopped, err := h.stop(ctx)
	if err != nil {
		return nil, err
	}
	if err := h.exchange.command("Pump", 0, new(bool)); err != nil {
		return nil, err
	}
	if err := h.session.Call(ctx, "public/test", nil, nil); err != nil { // its answer comes after all notifications
		return nil, err
	}
	pushed := h.pushed()
	if err := h.drain(ctx, pushed, pushed-snapshots); err != nil {
		return nil, err
	}
	r := newResult("slow", "a consumer of all %d channels stands still for %v", h.channels, h.For)
	h.judge(r, before, stopped)
	r.equal(float64(pushed), figure{What: "received by the other", Value: float64(h.steady.received.Load())})
	r.equal(float64(pushed-snapshots), figure{
		What: "received or announced as dropped", Value: float64(h.halted.accounted()),
		Detail: fmt.Sprintf("%d dropped, %d gap markers", h.halted.missed.Load(), h.halted.gaps.Load()),
	})
	return r, nil
}

// stop is the scene in which one listener stands still.
func (h *hall) stop(ctx context.Context) (scene, error) {
	h.halted.mu.Lock()
	h.faulty.Store(true)
	defer h.halted.mu.Unlock()
	defer h.faulty.Store(false)
	if h.Fault != nil { // on a starved machine the first message may come when the scene is over
		select {
		case <-h.met:
		case <-ctx.Done():
			return scene{}, ctx.Err()
		}
	}
	return h.scene(ctx, h.For)
}

func (h *hall) judge(r *result, before, stopped scene) {
	// Less than was asked for would not show it.
	rate := float64(stopped.frames) / h.For.Seconds()
	r.atLeast(0.9*float64(h.Rate), figure{What: "notifications a second", Value: rate})
	r.tell("of them before", float64(before.frames)/h.For.Seconds(), "")
	limit := h.HeapMax
	if limit == 0 {
		limit = 16
	}
	r.atMost(limit, figure{What: "heap, most while - most before", Value: (float64(stopped.heap) - float64(before.heap)) / mebi, Unit: "MiB"})
	compare := func(what string, before, stopped latencies) {
		was, is := micros(before.at(99)), micros(stopped.at(99))
		r.atMost(2, figure{
			What: what, Value: is / was, Unit: "x", Detail: fmt.Sprintf("%.0f us before, %.0f us while", was, is),
		})
	}
	compare("calls p99", before.calls.took, stopped.calls.took)
	compare("deliveries to the other p99", before.deliveries, stopped.deliveries)
	r.equal(0, failures("failed calls", before.calls, stopped.calls))
}

// scene calls for a while, and measures.
func (h *hall) scene(ctx context.Context, d time.Duration) (s scene, err error) {
	var earlier, sent []int64
	if err := h.exchange.command("Times", true, &earlier); err != nil {
		return s, err
	}
	h.watched += len(earlier)
	begun := h.session.Stats().Conn.Notifications
	s.calls = newChunk()
	err = s.calls.load(h.Calls, func() error { return h.watchHeap(ctx, d, &s.heap) }, func() func() error {
		pending, err := h.session.Send(ctx, "public/test", nil)
		return func() error {
			if err != nil {
				return err
			}
			return pending.Wait(ctx, nil)
		}
	})
	if err != nil {
		return s, err
	}
	s.frames = h.session.Stats().Conn.Notifications - begun
	if err := h.exchange.command("Times", true, &sent); err != nil {
		return s, err
	}
	s.deliveries, err = h.steady.deliveries(ctx, h.watched, sent)
	h.watched += len(sent)
	return s, err
}

// watchHeap notes the most that was live after any collection.
func (h *hall) watchHeap(ctx context.Context, d time.Duration, most *uint64) error {
	end := time.Now().Add(d)
	for time.Now().Before(end) {
		*most = max(*most, readMetric("/gc/heap/live:bytes"))
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	*most = max(*most, measure().heap)
	return nil
}

// pushed is how many notifications have come for the listeners.
func (h *hall) pushed() (n uint64) {
	for _, kind := range h.session.Stats().Kinds {
		n += kind.Messages
	}
	return n
}

// drain waits until both listeners have read all that there is, or will not.
func (h *hall) drain(ctx context.Context, steady, halted uint64) error {
	for deadline := time.Now().Add(h.exchange.patience()); time.Now().Before(deadline); {
		if h.steady.accounted() == steady && h.halted.accounted() == halted {
			return nil
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
