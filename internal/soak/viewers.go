package main

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// kinds are the channels of each instrument that a pair is watched over.
var kinds = []string{"book", "trades", "ticker"}

// viewers are the consumers of a pair's streams, one for each kind of channel, and of its witness's.
type viewers struct {
	kinds      []*consumer
	witness    *consumer
	chains     map[string]*consumer
	tapes      map[string]*tape
	seen, told *reels // of the pair, and of the witness
}

// watch subscribes to everything, over the witness first.
func (d *duo) watch(ctx context.Context) (*viewers, error) {
	seed := maphash.MakeSeed()
	w := &viewers{
		chains: map[string]*consumer{}, tapes: map[string]*tape{},
		seen: &reels{seed: seed, of: map[string]*reel{}}, told: &reels{seed: seed, of: map[string]*reel{}, isWitness: true},
	}
	w.witness = &consumer{take: func(n session.Notification) error {
		w.told.take(n)
		return nil
	}}
	names := make([][]string, len(kinds))
	for i, kind := range kinds {
		for _, instrument := range d.instruments {
			names[i] = append(names[i], kind+"."+instrument+".raw")
		}
	}
	cfg := session.SubscribeConfig{Buffer: 1 << 15, BufferBytes: 64 << 20}
	sub, err := d.witness.Subscribe(ctx, cfg, slices.Concat(names...)...)
	if err != nil {
		return nil, err
	}
	w.witness.consume(ctx, sub)
	for i, kind := range kinds {
		sub, err := d.group.Subscribe(ctx, cfg, names[i]...)
		if err != nil {
			return nil, errors.Join(err, w.close(ctx))
		}
		one := &consumer{take: d.taking(w.seen, w.taker(kind, names[i]))}
		w.kinds = append(w.kinds, one.consume(ctx, sub))
	}
	return w, nil
}

// taker is how the messages of a kind's channels are taken.
func (w *viewers) taker(kind string, names []string) func(session.Notification) error {
	switch kind {
	case "book":
		for _, name := range names {
			w.chains[name] = &consumer{seamless: true}
		}
		return func(n session.Notification) error { return w.chains[n.Channel].follow(n) }
	case "trades":
		for _, name := range names {
			w.tapes[name] = &tape{}
		}
		return func(n session.Notification) error { return w.tapes[n.Channel].take(n) }
	}
	return func(session.Notification) error { return nil } // it has no numbers: the witness knows
}

// taking notes each message and has it taken, or what a planted fault makes of it.
func (d *duo) taking(seen *reels, take func(session.Notification) error) func(session.Notification) error {
	return func(n session.Notification) (err error) {
		all := []session.Notification{n}
		if d.Fault != nil {
			all = d.Fault(n)
		}
		for _, one := range all {
			seen.take(one)
			err = errors.Join(err, take(one))
		}
		return err
	}
}

// settle waits until the pair has brought all that the witness was told, or will not. The market stands still.
func (d *duo) settle(ctx context.Context, w *viewers) error {
	for _, s := range append(d.group.Sessions(), d.witness) {
		// Its answer comes after all that the exchange published before.
		if err := s.Call(ctx, "public/test", nil, nil); err != nil {
			return err
		}
	}
	lacks := func(kind string) bool { return w.seen.compare(w.told, kind).lost > 0 }
	for deadline := time.Now().Add(d.exchange.patience()); time.Now().Before(deadline) && slices.ContainsFunc(kinds, lacks); {
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (w *viewers) close(ctx context.Context) (err error) {
	for _, c := range append(w.kinds, w.witness) {
		err = errors.Join(err, c.close(ctx))
	}
	return err
}

// tell adds up what was seen, once all is closed.
func (w *viewers) tell(found *shown) {
	for i, kind := range kinds {
		found.kinds = append(found.kinds, shownKind{kind, w.kinds[i].watched, w.seen.compare(w.told, kind)})
	}
	found.witness = w.witness.watched
	for _, c := range w.chains {
		found.silent += c.silent
		found.snapshots += c.snapshots
	}
	for _, t := range w.tapes {
		found.tape.skipped += t.skipped
		found.tape.again += t.again
	}
}
