package orderbook

import "slices"

// Level is what stands at one price.
type Level struct {
	Price  float64
	Amount float64 // in the instrument's unit: US dollars for inverse futures and perpetuals, else the base currency
}

// ladder is one side of a book, best price last: that is where most changes are, and little has to move there.
type ladder struct {
	levels []Level
	sign   float64 // 1 where the best price is the highest, -1 where it is the lowest
}

// find returns where the level of a price is, or would be.
func (l *ladder) find(price float64) (at int, ok bool) {
	low, high := 0, len(l.levels)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if l.sign*l.levels[mid].Price < l.sign*price {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < len(l.levels) && l.levels[low].Price == price
}

// set puts an amount at a price; 0 removes the level.
func (l *ladder) set(level Level) {
	at, ok := l.find(level.Price)
	switch {
	case ok && level.Amount == 0:
		l.levels = slices.Delete(l.levels, at, at+1)
	case ok:
		l.levels[at].Amount = level.Amount
	case level.Amount != 0:
		l.levels = slices.Insert(l.levels, at, level)
	}
}

// load replaces all levels, and reports whether no price came twice. From the last to the first they come in the order in
// which they are kept.
func (l *ladder) load(levels []Level) bool {
	l.levels = l.levels[:0]
	for _, level := range slices.Backward(levels) {
		at, ok := l.find(level.Price)
		if ok {
			return false
		}
		if level.Amount != 0 {
			l.levels = slices.Insert(l.levels, at, level)
		}
	}
	return true
}

// best is the zero Level if there is none.
func (l *ladder) best() Level {
	if len(l.levels) == 0 {
		return Level{}
	}
	return l.levels[len(l.levels)-1]
}

// appendTop appends the best levels to dst, best first, at most depth of them; all if depth is negative.
func (l *ladder) appendTop(dst []Level, depth int) []Level {
	n := len(l.levels)
	if depth >= 0 {
		n = min(n, depth)
	}
	for i := range n {
		dst = append(dst, l.levels[len(l.levels)-1-i])
	}
	return dst
}
