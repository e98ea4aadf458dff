package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
)

// durable rotates many times, and times how long a new secret is in this process alone: from when the frame of the reset's
// reply was read to when the file store has it on disk.
type durable struct {
	Count int
	// Dir is where the store's file is, empty for the system's directory of temporary files.
	Dir string
	// Fault, if set, is called before each save.
	Fault func()
}

// durableLimit is promised of the 99th percentile, in milliseconds.
const durableLimit = 5

func (m durable) run(ctx context.Context, e env) (r *result, err error) {
	x, err := e.open(ctx, Setup{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	w := &stopwatch{took: newLatencies()}
	f, err := openFleet(ctx, x, fleetConfig{
		sessions: 1, dir: m.Dir, observer: w, admin: timedDialer{e.Dialer, &w.read},
		store: func(s rotate.Store) rotate.Store { return slowStore{s, m.Fault} },
	})
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	floor := newLatencies()
	for i := range m.Count {
		took, err := writeDurably(f.dir)
		if err != nil {
			return nil, err
		}
		floor.add(took)
		if err := f.rotate(ctx); err != nil {
			return nil, fmt.Errorf("rotation %d of %d: %w", i+1, m.Count, err)
		}
		e.progress("rotations", i+1, m.Count)
	}
	r = newResult("durable", "%d rotations; from the frame of the reset's reply to the secret on disk, in %s", m.Count, f.dir)
	r.equal(float64(m.Count), figure{What: "secrets timed", Value: float64(w.took.TotalCount())})
	for _, p := range points {
		figure := figure{What: "until durable " + p.name, Value: float64(w.took.at(p.at)) / float64(time.Millisecond), Unit: "ms"}
		if p.name == "p99" {
			r.atMost(durableLimit, figure)
		} else {
			r.Figures = append(r.Figures, figure)
		}
	}
	floor.tell(r, "the disk alone", time.Millisecond)
	return r, nil
}

// writeDurably times what a store cannot do without: a file written, synced and renamed, and its directory synced.
func writeDurably(dir string) (took time.Duration, err error) {
	began := time.Now()
	root, err := os.Open(dir) //nolint:gosec // a directory of our own
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	name := filepath.Join(dir, "floor")
	file, err := os.Create(name + ".new") //nolint:gosec // in it
	if err != nil {
		return 0, err
	}
	_, err = file.Write(make([]byte, 4096))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err == nil {
		err = root.Sync()
	}
	return time.Since(began), err
}

// stopwatch is a [rotate.Observer] that times the store's step from the reply to the reset.
type stopwatch struct {
	read atomic.Int64 // when the authority's last frame was read

	mu    sync.Mutex // protects the fields below
	reply time.Time
	took  latencies
}

// RotationStart implements [rotate.Observer].
func (w *stopwatch) RotationStart(ctx context.Context, _ rotate.Rotation) (context.Context, func(rotate.RotationEnd)) {
	return ctx, func(rotate.RotationEnd) {}
}

// RotationStep implements [rotate.Observer].
func (w *stopwatch) RotationStep(ctx context.Context, step rotate.Step) (context.Context, func(error)) {
	return ctx, func(err error) {
		now := time.Now()
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case err != nil:
		case step.Kind == rotate.StepReset:
			w.reply = time.Unix(0, w.read.Load()) // nothing else is read there meanwhile
		case step.Kind == rotate.StepStore:
			w.took.add(now.Sub(w.reply))
		}
	}
}

// timedDialer notes when each frame was read.
type timedDialer struct {
	rpc.Dialer
	read *atomic.Int64
}

// Dial implements [rpc.Dialer].
func (d timedDialer) Dial(ctx context.Context, cfg rpc.DialConfig) (rpc.Transport, error) {
	t, err := d.Dialer.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return timedTransport{t, d.read}, nil
}

type timedTransport struct {
	rpc.Transport
	read *atomic.Int64
}

// ReadMessage implements [rpc.Transport].
func (t timedTransport) ReadMessage() ([]byte, error) {
	msg, err := t.Transport.ReadMessage()
	t.read.Store(time.Now().UnixNano())
	return msg, err
}

// slowStore is a store with a fault.
type slowStore struct {
	rotate.Store
	fault func()
}

// Save implements [rotate.Store].
func (s slowStore) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	if s.fault != nil {
		s.fault()
	}
	return s.Store.Save(ctx, record, ifVersion)
}
