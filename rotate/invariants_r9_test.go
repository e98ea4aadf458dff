package rotate_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// observe looks at R9 at whatever the world is asked for, before it answers or fails. Its lock is held then.
func (w *world) observe(looked *int) {
	look := func(r *rotate.Record) {
		*looked++
		if r != nil && r.Intent == nil && !r.Current.Secret.Equal(session.NewSecret([]byte(w.secret))) {
			w.broke("R9: no intent, and the current secret is not the exchange's")
		}
	}
	save, try, reply, refuse := w.save, w.try, w.reply, w.refuse
	w.save = func(r rotate.Record) error { look(w.record); look(&r); return save(r) }
	w.try = func() error { look(w.record); return try() }
	w.reply = func(raw string) string { look(w.record); return reply(raw) }
	w.refuse = func(params map[string]any) (string, error) { look(w.record); return refuse(params) }
}

// TestR9AmongFaults is the simulation, with processes that rotate, fail and die at random, looked at from all sides at every moment.
func TestR9AmongFaults(t *testing.T) {
	looked, fired := 0, 0
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			f := &faults{rng: rand.New(rand.NewPCG(seed, 9))}
			plague(w, f)
			w.observe(&looked)
			for range 4 {
				p := newProcess(w)
				p.last = 1 + f.rng.IntN(60)
				liveBadly(t, p)
			}
			fired += f.fired
			if len(w.broken) > 0 {
				t.Errorf("seed %d: %v", seed, w.broken)
			}
		})
	}
	if looked < 2000 || fired < 100 {
		t.Errorf("looked %d times among %d faults: the test does not show much", looked, fired)
	}
}
