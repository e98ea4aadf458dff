package market

import (
	"cmp"
	"slices"
)

// side is +1 for bids and buyers, -1 for asks and sellers.
type side int64

const (
	buy  side = 1
	sell side = -1
)

func (s side) String() string {
	if s == buy {
		return "buy"
	}
	return "sell"
}

// better reports whether a price stands before another in the queue of this side.
func (s side) better(a, b int64) bool { return int64(s)*(a-b) > 0 }

// level is what stands at one price: the house's own liquidity first, then orders of accounts in the order they came.
type level struct {
	ticks  int64
	house  int64
	orders []*order
	total  int64
}

// ladder is one side of a book, best price first.
type ladder struct {
	side   side
	levels []level
}

func (l *ladder) find(ticks int64) (at int, ok bool) {
	return slices.BinarySearchFunc(l.levels, ticks, func(lv level, t int64) int {
		return -int(l.side) * cmp.Compare(lv.ticks, t)
	})
}

// at returns the level of a price, made if there is none. The pointer holds until the next change of the ladder.
func (l *ladder) at(ticks int64) *level {
	i, ok := l.find(ticks)
	if !ok {
		l.levels = slices.Insert(l.levels, i, level{ticks: ticks})
	}
	return &l.levels[i]
}

// prune takes the level of a price away if nothing is left there.
func (l *ladder) prune(ticks int64) {
	if i, ok := l.find(ticks); ok && l.levels[i].total == 0 {
		l.levels = slices.Delete(l.levels, i, i+1)
	}
}

// setHouse puts the house's liquidity at a price.
func (l *ladder) setHouse(ticks, lots int64) {
	lv := l.at(ticks)
	lv.total += lots - lv.house
	lv.house = lots
	l.prune(ticks)
}

// rest puts an order at the end of its price's queue.
func (l *ladder) rest(o *order) {
	lv := l.at(o.ticks)
	lv.orders = append(lv.orders, o)
	lv.total += o.left()
}

// withdraw takes an order out.
func (l *ladder) withdraw(o *order) {
	i, ok := l.find(o.ticks)
	if !ok {
		return
	}
	lv := &l.levels[i]
	at := slices.Index(lv.orders, o)
	if at < 0 {
		return
	}
	lv.orders = slices.Delete(lv.orders, at, at+1)
	lv.total -= o.left()
	l.prune(o.ticks)
}

// reach adds up what an order of a limit could take, up to an amount, and tells whether any of it is the owner's own.
func (l *ladder) reach(limit, lots int64, owner *account) (available int64, own bool) {
	for i := range l.levels {
		lv := &l.levels[i]
		if available >= lots || l.side.better(limit, lv.ticks) {
			break
		}
		available += lv.house
		for _, o := range lv.orders {
			if available >= lots {
				break
			}
			own = own || o.owner == owner
			available += o.left()
		}
	}
	return min(available, lots), own
}

// book is the order book of an instrument.
type book struct {
	bids, asks ladder
	changeID   int64 // of the last change
}

func (b *book) of(s side) *ladder {
	if s == buy {
		return &b.bids
	}
	return &b.asks
}

// best returns the best price and amount of a side; not ok when it is empty.
func (b *book) best(s side) (ticks, lots int64, ok bool) {
	l := b.of(s)
	if len(l.levels) == 0 {
		return 0, 0, false
	}
	return l.levels[0].ticks, l.levels[0].total, true
}

// entry is one price of a book as others see it.
type entry struct{ ticks, lots int64 }

// entries copies a side into buf.
func (l *ladder) entries(buf []entry) []entry {
	buf = buf[:0]
	for i := range l.levels {
		buf = append(buf, entry{l.levels[i].ticks, l.levels[i].total})
	}
	return buf
}
