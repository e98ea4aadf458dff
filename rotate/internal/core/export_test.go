package core

import "sync"

var (
	mu      sync.Mutex
	applied = map[int]bool{}
)

func init() {
	for i := range table {
		inner := table[i].when
		table[i].when = func(m Machine) bool {
			if inner != nil && !inner(m) {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			applied[i] = true
			return true
		}
	}
}

// Unused are the rows that have not applied yet.
func Unused() []int {
	mu.Lock()
	defer mu.Unlock()
	var rows []int
	for i := range table {
		if !applied[i] {
			rows = append(rows, i)
		}
	}
	return rows
}
