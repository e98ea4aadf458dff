package session

import "hash/maphash"

// Collide adds a channel whose name is not there, as if its hash were that of another name.
func (x *Index) Collide(name, with string) {
	ch := newChannel(name, nil, nil)
	ch.hash = maphash.String(x.x.seed, with)
	x.x.table.Load().put(ch)
}
