package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// subject is a session that faults befall, with its streams.
type subject struct {
	ledger
	session *session.Session
	wide    *transcript   // of all channels
	narrow  []*transcript // of one each, with a consumer that is too slow
	fault   func(session.Notification, error) int

	calling sync.WaitGroup
	stop    func() // ends the calls

	mu    sync.Mutex      // protects ready
	ready map[uint64]bool // epochs of connections that were ready
}

func (s *subject) open(ctx context.Context, cfg session.Config) (err error) {
	if s.session, err = session.Dial(ctx, cfg); err != nil {
		return err
	}
	sub, err := s.session.Subscribe(ctx, session.SubscribeConfig{Buffer: 1 << 15, BufferBytes: 64 << 20}, published...)
	if err != nil {
		return err
	}
	s.wide = newTranscript(cfg.Name, sub, s.fault)
	s.wide.read(ctx)
	for _, channel := range narrow {
		sub, err := s.session.Subscribe(ctx, session.SubscribeConfig{Buffer: 4}, channel)
		if err != nil {
			return err
		}
		one := newTranscript(cfg.Name+", narrow", sub, s.fault)
		one.isNarrow = true
		one.read(ctx)
		s.narrow = append(s.narrow, one)
	}
	calls, stop := context.WithCancel(ctx)
	s.stop = stop
	s.calling.Go(func() { s.call(calls) })
	return nil
}

// call makes calls, for faults to meet, and so that lost authority shows. What becomes of them is another mode's concern.
func (s *subject) call(ctx context.Context) {
	for wait(ctx, 20*time.Millisecond) == nil {
		for _, method := range []string{"public/test", "private/get_open_orders"} {
			one, cancel := context.WithTimeout(ctx, time.Second)
			_ = s.session.Call(one, method, nil, nil)
			cancel()
		}
	}
}

func (s *subject) stopCalls() {
	if s.stop != nil {
		s.stop()
	}
	s.calling.Wait()
}

// StepStart implements [session.Observer].
func (s *subject) StepStart(ctx context.Context, step session.Step) (context.Context, func(session.StepEnd)) {
	return ctx, func(end session.StepEnd) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if end.Err == nil && step.Kind == session.StepConnect {
			s.ready[step.Epoch] = true
		}
	}
}

// await waits until the session is ready over a connection as late as that.
func (s *subject) await(ctx context.Context, epoch uint64) error {
	ctx, cancel := context.WithTimeout(ctx, stuckFor)
	defer cancel()
	for !s.session.Ready() || s.session.Stats().Epoch < epoch {
		if err := wait(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("soak: a session did not come back: %w", err)
		}
	}
	return nil
}

// drain has the streams read to their end.
func (s *subject) drain(ctx context.Context) error {
	// Its answer comes after all that the exchange published before.
	if err := s.session.Call(ctx, "public/test", nil, nil); err != nil {
		return err
	}
	for _, t := range s.all() {
		if err := t.close(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *subject) all() []*transcript {
	if s.wide == nil {
		return s.narrow
	}
	return append([]*transcript{s.wide}, s.narrow...)
}

func (s *subject) close(ctx context.Context) (err error) {
	s.stopCalls()
	if s.session != nil {
		err = s.session.Close(ctx)
	}
	for _, t := range s.all() {
		t.reading.Wait()
	}
	if errors.Is(err, session.ErrClosed) {
		return nil
	}
	return err
}

// unannounced counts the lost connections of which the wide stream has no marker.
func (s *subject) unannounced() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for epoch := range s.ready {
		if epoch != s.session.Stats().Epoch && !s.wide.tells(epoch) {
			n++
		}
	}
	return n
}
