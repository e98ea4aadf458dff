package rpc_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/rpc"
)

// machine is a Conn whose server answers whatever id it likes, early, late, twice and out of order, and a model of what
// may come of it.
type machine struct {
	p      *peer
	c      *rpc.Conn
	ctx    context.Context
	latest uint64
	open   map[uint64]*rpc.Pending // sent, not answered
	ready  map[uint64]*rpc.Pending // answered, not waited for
	left   map[uint64]bool         // abandoned, not answered
	closed map[uint64]bool         // answered, and waited for or abandoned
	want   [5]uint64               // strays by kind
}

func (m *machine) send(t *rapid.T) {
	pending, err := m.c.Send(m.ctx, "public/test", nil)
	if err != nil {
		t.Fatal(err)
	}
	if pending.ID() <= m.latest {
		t.Fatalf("id %d after %d", pending.ID(), m.latest)
	}
	m.latest = pending.ID()
	m.open[m.latest] = pending
}

// anyOf draws an id of a set.
func anyOf[V any](t *rapid.T, set map[uint64]V) uint64 {
	if len(set) == 0 {
		t.Skip("none") // of this action's kind: rapid draws another action
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(set))).Draw(t, "id")
}

// answer answers an id with itself, or refuses it with itself as code.
func (m *machine) answer(t *rapid.T, id uint64) {
	if rapid.Bool().Draw(t, "refuse") {
		m.p.refuse(id, int(id), "no")
	} else {
		m.p.answer(id, `[`+strconv.FormatUint(id, 10)+`]`)
	}
	m.p.barrier()
}

func (m *machine) wait(t *rapid.T) {
	id := anyOf(t, m.ready)
	var got []uint64
	err := m.ready[id].Wait(m.ctx, &got)
	refusal, refused := errors.AsType[*rpc.Error](err)
	ok := err == nil && len(got) == 1 && got[0] == id
	if !ok && (!refused || refusal.Code != rpc.Code(id)) {
		t.Fatalf("call %d got %v, %v", id, got, err)
	}
	delete(m.ready, id)
	m.closed[id] = true
}

func (m *machine) abandon(t *rapid.T) {
	id := anyOf(t, m.open)
	ctx, cancel := context.WithCancel(m.ctx)
	cancel()
	err := m.open[id].Wait(ctx, nil)
	if ce, ok := errors.AsType[*rpc.CallError](err); !ok || ce.Outcome != rpc.Unknown || ce.ID != id {
		t.Fatalf("abandoned call %d got %v", id, err)
	}
	delete(m.open, id)
	m.left[id] = true
}

func (m *machine) check(t *rapid.T) {
	s := m.c.Stats()
	if s.Strays != m.want || s.Pending != len(m.open) || m.c.Err() != nil {
		t.Fatalf("strays %v, pending %d, error %v; want %v, %d", s.Strays, s.Pending, m.c.Err(), m.want, len(m.open))
	}
}

// TestR4AnyServer drives calls against an arbitrary server: each gets its own answer or none.
func TestR4AnyServer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := newPeer()
		c := rpc.NewConn(p, rpc.Config{Handler: p.handle})
		defer c.Close()
		m := &machine{
			p: p, c: c, ctx: t.Context(), open: map[uint64]*rpc.Pending{}, ready: map[uint64]*rpc.Pending{},
			left: map[uint64]bool{}, closed: map[uint64]bool{},
		}
		rt.Repeat(map[string]func(*rapid.T){
			"send":    m.send,
			"wait":    m.wait,
			"abandon": m.abandon,
			"answer": func(t *rapid.T) {
				id := anyOf(t, m.open)
				m.answer(t, id)
				m.ready[id] = m.open[id]
				delete(m.open, id)
			},
			"answer late": func(t *rapid.T) {
				id := anyOf(t, m.left)
				m.answer(t, id)
				delete(m.left, id)
				m.closed[id] = true
				m.want[rpc.StrayLate]++
			},
			"answer before it is waited for, again": func(t *rapid.T) {
				m.answer(t, anyOf(t, m.ready))
				m.want[rpc.StrayDuplicate]++
			},
			"answer again": func(t *rapid.T) {
				m.answer(t, anyOf(t, m.closed))
				m.want[rpc.StrayDuplicate]++
			},
			"answer an id never sent": func(t *rapid.T) {
				m.answer(t, m.latest+1+rapid.Uint64Range(0, 1000).Draw(t, "beyond"))
				m.want[rpc.StrayUnknownID]++
			},
			"": m.check,
		})
	})
}
