package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-ws/holdfast/rotate"
)

// content is what a store holds, as far as histories tell: each Save has a number of its own, which is in the record and in its secret.
type content struct{ version, number uint64 }

// call is what a process asks of the store.
type call struct {
	save      bool
	ifVersion uint64
	number    uint64
}

// verdict is what it was told.
type verdict int

const (
	done verdict = iota
	conflict
	unknown // it may have happened, may happen later, or never
)

type reply struct {
	verdict verdict
	content content // as loaded; a Save has only the version
}

// storeModel is a register with compare-and-swap.
var storeModel = porcupine.Model{
	Init: func() any { return content{} },
	Step: func(state, input, output any) (bool, any) {
		return step(state.(content), input.(call), output.(reply))
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// step says whether what was told can be so in this state, and what follows. A Save of unknown outcome returns at the end of time:
// if it never happened its place is there, where it makes no difference.
func step(now content, c call, r reply) (bool, content) {
	swapped := content{now.version + 1, c.number}
	switch matches := now.version == c.ifVersion; {
	case !c.save:
		return r.content == now, now
	case r.verdict == unknown && matches:
		return true, swapped
	case r.verdict == unknown:
		return true, now
	case r.verdict == conflict:
		return !matches, now
	default:
		return matches && r.content.version == swapped.version, swapped
	}
}

// history is what several processes did with one store. It is safe for concurrent use.
type history struct {
	mu         sync.Mutex // protects the fields below
	clock      int64
	operations []porcupine.Operation
	wrong      []string
	tally      tally
}

// tally counts.
type tally struct{ histories, operations, saves, conflicts, unknowns, mute, kills, cuts int }

func (t *tally) add(other tally) {
	t.histories += other.histories
	t.operations += other.operations
	t.saves += other.saves
	t.conflicts += other.conflicts
	t.unknowns += other.unknowns
	t.mute += other.mute
	t.kills += other.kills
	t.cuts += other.cuts
}

func (h *history) tick() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	return h.clock
}

// note takes down an operation that began at called and has just ended.
func (h *history) note(process int, called int64, c call, r reply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	returned := h.clock
	switch {
	case r.verdict == unknown:
		returned = math.MaxInt64
		h.tally.unknowns++
	case r.verdict == conflict:
		h.tally.conflicts++
	case c.save:
		h.tally.saves++
	}
	h.operations = append(h.operations, porcupine.Operation{ClientId: process, Input: c, Call: called, Output: r, Return: returned})
}

// miss counts a Load that has told nothing.
func (h *history) miss() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally.mute++
}

func (h *history) errorf(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
}

// verdictWithin bounds the search for an order; it takes a millisecond.
const verdictWithin = time.Minute

// judge returns what is wrong with a history that has ended, empty if some order of its operations explains it.
func (h *history) judge() string {
	if len(h.wrong) > 0 {
		return strings.Join(h.wrong, "\n")
	}
	result := porcupine.CheckOperationsTimeout(storeModel, h.operations, verdictWithin)
	if result == porcupine.Ok {
		return ""
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: no order of these explains them:\n", result)
	for _, op := range h.operations {
		fmt.Fprintf(&text, "%d: %d-%d %s\n", op.ClientId, op.Call, op.Return, storeModel.DescribeOperation(op.Input, op.Output))
	}
	return text.String()
}

// register is a process's way to the store.
type register interface {
	// load returns nothing if the store has nothing.
	load(ctx context.Context) (content, error)
	save(ctx context.Context, number, ifVersion uint64) (version uint64, err error)
}

// process walks along a history.
type process struct {
	history  *history
	id       int
	rng      *rand.Rand
	expected func(error) bool // of errors that say nothing
	left     int              // operations to do
	saves    uint64
	seen     uint64 // version
	fresh    bool   // nothing has made it doubtful
}

// walkers are the processes of a history of so many operations.
func (h *history) walkers(seed uint64, operations int, expected func(error) bool) []*process {
	const walkers = 4
	h.tally.histories, h.tally.operations = 1, operations
	all := make([]*process, walkers)
	for i := range all {
		all[i] = &process{
			history: h, id: i, rng: rand.New(rand.NewPCG(seed, uint64(i))), left: operations / walkers, expected: expected,
		}
	}
	return all
}

// once does one operation: more often than not it saves over what it has seen last.
func (p *process) once(ctx context.Context, to register) {
	p.left--
	switch roll := p.rng.IntN(20); {
	case p.fresh && roll < 14:
		p.save(ctx, to, p.seen)
	case roll == 18 && p.seen > 0:
		p.save(ctx, to, p.rng.Uint64N(p.seen))
	case roll == 19:
		p.save(ctx, to, p.seen+1)
	default:
		p.load(ctx, to)
	}
}

func (p *process) load(ctx context.Context, to register) {
	called := p.history.tick()
	got, err := to.load(ctx)
	if err != nil {
		p.judge("Load", err)
		p.history.miss()
		return
	}
	p.history.note(p.id, called, call{}, reply{content: got})
	p.seen, p.fresh = got.version, true
}

func (p *process) save(ctx context.Context, to register, ifVersion uint64) {
	p.saves++
	c := call{save: true, ifVersion: ifVersion, number: uint64(p.id+1)<<32 + p.saves}
	called := p.history.tick()
	version, err := to.save(ctx, c.number, ifVersion)
	r := reply{content: content{version: version}}
	switch {
	case errors.Is(err, rotate.ErrConflict):
		r.verdict = conflict
	case err != nil:
		r.verdict = unknown
		p.judge("Save", err)
	}
	p.history.note(p.id, called, c, r)
	p.seen, p.fresh = max(p.seen, version), err == nil
}

func (p *process) judge(what string, err error) {
	if !p.expected(err) {
		p.history.errorf("%s by process %d: %v", what, p.id, err)
	}
}

// handle is a store in this process.
type handle struct {
	store  rotate.Store
	errorf func(format string, args ...any)
}

func (h handle) load(ctx context.Context) (content, error) {
	r, err := h.store.Load(ctx)
	if errors.Is(err, rotate.ErrNotFound) {
		return content{}, nil
	}
	number := r.Current.Generation
	if err == nil && !r.Current.Secret.Equal(record(number).Current.Secret) {
		h.errorf("Load: record %d has the secret of another", number)
	}
	return content{r.Version, number}, err
}

func (h handle) save(ctx context.Context, number, ifVersion uint64) (uint64, error) {
	r := record(number)
	r.Version = number // which is the store's to set
	return h.store.Save(ctx, r, ifVersion)
}

// total is of the histories of a test, which run side by side. It is safe for concurrent use.
type total struct {
	mu    sync.Mutex // protects tally
	tally tally
}

func (t *total) add(one tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tally.add(one)
}

// report prints what was seen. Histories in which nothing went wrong prove nothing.
func (t *total) report(tb testing.TB, began time.Time) {
	tb.Helper()
	n := t.tally
	tb.Logf("%d histories, %d operations: %d saves, %d conflicts, %d unknown outcomes, %d loads without an answer; "+
		"%d processes killed, %d power cuts; %.1f s",
		n.histories, n.operations, n.saves, n.conflicts, n.unknowns, n.mute, n.kills, n.cuts, time.Since(began).Seconds())
	if n.saves == 0 || n.conflicts == 0 || n.unknowns == 0 {
		tb.Error("no saves, no conflicts or no unknown outcomes")
	}
}
