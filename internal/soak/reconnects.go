package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// reconnects cuts the connections of sessions over TLS again and again. Each subscription must be told of each loss once, in its
// place, and nothing may be left of any connection.
type reconnects struct {
	Count         int // of all sessions together
	Sessions      int
	Subscriptions int           // of each session, to one channel each
	Dwell         time.Duration // that connections live once all are back; 0 is 150 ms
	// Fault, if set, says which entries of a stream its consumer does not see.
	Fault func(n session.Notification, err error) (drop bool)
}

func (m reconnects) run(ctx context.Context, e env) (r *result, err error) {
	x, err := e.open(ctx, Setup{TLS: true, Tick: 50 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	s := &audience{reconnects: m, exchange: x, ready: make(chan struct{}, 64*m.Sessions)}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	rounds := (m.Count + m.Sessions - 1) / m.Sessions
	if _, err := s.season(ctx, min(rounds, 20)); err != nil { // whatever has to warm up does so here
		return nil, err
	}
	before, err := e.measureSteady(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	found, err := s.season(ctx, rounds)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := e.measureAfter(ctx, before)
	if err != nil {
		return nil, err
	}
	r = newResult("reconnects", "%d cuts of %d connections over TLS, with %d subscriptions each; credits let a session resume every 310 ms",
		rounds, m.Sessions, m.Subscriptions)
	m.judge(r, found, rounds)
	r.nothingLeft(before, after)
	r.tell("time of a cut and the resumption of all", took.Seconds()/float64(rounds), "s")
	return r, nil
}

func (m reconnects) judge(r *result, found watched, rounds int) {
	r.equal(float64(rounds*m.Sessions), figure{What: "reconnects", Value: float64(found.reconnects)})
	r.tell("notifications", float64(found.notifications), "")
	r.tell("snapshots", float64(found.snapshots), "")
	r.equal(float64(rounds*m.Sessions*m.Subscriptions), figure{What: "gap markers", Value: float64(found.gaps)})
	r.equal(0, figure{What: "subscriptions without exactly one marker a loss", Value: float64(found.uneven)})
	r.equal(0, figure{What: "silent losses", Value: float64(found.silent)})
	r.equal(0, figure{What: "other errors", Value: float64(found.failed), Detail: found.failure})
	// A run in which nothing came shows nothing.
	r.atLeast(float64(m.Sessions*m.Subscriptions), figure{What: "snapshots that matter", Value: float64(found.snapshots)})
}

// audience is sessions with many subscriptions, and a consumer of each.
type audience struct {
	reconnects
	exchange *exchange
	names    []string
	sessions []*session.Session
	ready    chan struct{} // one for each time that a session is ready
	ledger
}

func (s *audience) open(ctx context.Context) error {
	for i := range s.Sessions {
		cfg := s.exchange.config(fmt.Sprintf("session-%d", i+1), s.exchange.engine())
		cfg.Observer = s
		one, err := session.Dial(ctx, cfg)
		if err != nil {
			return err
		}
		s.sessions = append(s.sessions, one)
		<-s.ready
	}
	instruments, err := listInstruments(ctx, s.sessions[0])
	if err != nil {
		return err
	}
	for _, family := range []string{"book.%s.raw", "book.%s.100ms", "book.%s.agg2"} {
		for _, instrument := range instruments {
			if len(s.names) < s.Subscriptions {
				s.names = append(s.names, fmt.Sprintf(family, instrument))
			}
		}
	}
	if len(s.names) < s.Subscriptions {
		return fmt.Errorf("soak: the exchange has books for %d subscriptions, not for %d", len(s.names), s.Subscriptions)
	}
	return nil
}

// StateChanged implements [session.Observer].
func (s *audience) StateChanged(_ *session.Session, _, to session.State, _ error) {
	if to == session.Ready {
		s.ready <- struct{}{}
	}
}

func (s *audience) close(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, one := range s.sessions {
		err = errors.Join(err, one.Close(ctx))
	}
	return err
}

// season subscribes, cuts all connections so often, and unsubscribes.
func (s *audience) season(ctx context.Context, rounds int) (found watched, err error) {
	var consumers []*consumer
	for _, one := range s.sessions {
		some, err := s.subscribe(ctx, one)
		if err != nil {
			return found, err
		}
		consumers = append(consumers, some...)
	}
	before := s.epochs()
	for i := range rounds {
		if err := s.cut(ctx); err != nil {
			return found, err
		}
		s.exchange.progress("cuts", i+1, rounds)
	}
	for _, c := range consumers {
		if err := c.close(ctx); err != nil {
			return found, err
		}
		found.add(&c.watched, rounds)
	}
	found.reconnects = s.epochs() - before
	return found, nil
}

// subscribe opens a session's subscriptions. The first brings all channels in one frame, and the others share them, which costs
// no credits.
func (s *audience) subscribe(ctx context.Context, one *session.Session) ([]*consumer, error) {
	all, err := one.Subscribe(ctx, session.SubscribeConfig{Handler: func(session.Notification) {}}, s.names...)
	if err != nil {
		return nil, err
	}
	consumers := make([]*consumer, len(s.names))
	for i, name := range s.names {
		sub, err := one.Subscribe(ctx, session.SubscribeConfig{Buffer: 64}, name)
		if err != nil {
			return nil, err
		}
		consumers[i] = (&consumer{fault: s.Fault}).consume(ctx, sub)
	}
	return consumers, all.Close(ctx)
}

// cut cuts all connections, and waits until all sessions are ready again and have been for a while.
func (s *audience) cut(ctx context.Context) error {
	var connections uint64
	if err := s.exchange.command("CutAll", true, &connections); err != nil {
		return err
	}
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for range s.sessions {
		select {
		case <-s.ready:
		case <-late.C:
			return errors.New("soak: a session was not ready a minute after its connection was cut")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	dwell := s.Dwell
	if dwell == 0 {
		dwell = 150 * time.Millisecond
	}
	return wait(ctx, dwell)
}

func (s *audience) epochs() (n uint64) {
	for _, one := range s.sessions {
		n += one.Stats().Epoch
	}
	return n
}
