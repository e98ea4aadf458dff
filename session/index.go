package session

import (
	"hash/maphash"
	"iter"
	"sync/atomic"
)

// index finds channels by their names. Its owner's lock protects all of it but find, which takes none: so the reader waits
// for nobody. It is an open hash table: a channel stands in the first slot that was free from its hash on.
type index struct {
	seed  maphash.Seed
	table atomic.Pointer[table]
	n     uint64 // channels
	used  uint64 // slots that are not empty
}

type table struct {
	slots []atomic.Pointer[channel] // a power of two, at least half of them empty
	mask  uint64
}

// removed stands where a channel stood, so that those behind it are still found.
var removed = &channel{}

const minSlots = 16

func newIndex() *index {
	x := &index{seed: maphash.MakeSeed()}
	x.table.Store(newTable(minSlots))
	return x
}

func newTable(slots uint64) *table {
	return &table{slots: make([]atomic.Pointer[channel], slots), mask: slots - 1}
}

// find returns the channel of that name, nil if there is none. It does not allocate.
func (x *index) find(name []byte) *channel {
	t, hash := x.table.Load(), maphash.Bytes(x.seed, name)
	for i := hash; ; i++ {
		ch := t.slots[i&t.mask].Load()
		if ch == nil || ch.hash == hash && ch.name == string(name) {
			return ch
		}
	}
}

// add adds a channel whose name is not there.
func (x *index) add(ch *channel) {
	ch.hash = maphash.String(x.seed, ch.name)
	if 2*(x.used+1) > x.table.Load().mask+1 {
		x.rebuild()
	}
	x.table.Load().put(ch)
	x.used++
	x.n++
}

func (t *table) put(ch *channel) {
	for i := ch.hash; ; i++ {
		if slot := &t.slots[i&t.mask]; slot.Load() == nil {
			slot.Store(ch)
			return
		}
	}
}

// remove removes a channel that is there.
func (x *index) remove(ch *channel) {
	t := x.table.Load()
	for i := ch.hash; ; i++ {
		if slot := &t.slots[i&t.mask]; slot.Load() == ch {
			slot.Store(removed)
			x.n--
			return
		}
	}
}

// rebuild makes room for as many channels again, and forgets where others were.
func (x *index) rebuild() {
	slots := uint64(minSlots)
	for slots < 4*x.n {
		slots *= 2
	}
	t := newTable(slots)
	for ch := range x.all() {
		t.put(ch)
	}
	x.used = x.n
	x.table.Store(t)
}

// all are the channels, in no order.
func (x *index) all() iter.Seq[*channel] {
	return func(yield func(*channel) bool) {
		slots := x.table.Load().slots
		for i := range slots {
			if ch := slots[i].Load(); ch != nil && ch != removed && !yield(ch) {
				return
			}
		}
	}
}
