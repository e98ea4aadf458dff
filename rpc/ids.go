package rpc

import "sync/atomic"

// idBlock is how many ids a Conn takes at a time, so that connections do not contend for one counter.
const idBlock = 1 << 16

// idBlocks counts the blocks handed out in this process. An id is never used twice, by whatever Conn; 2^37 blocks keep
// ids below 2^53, which every JSON implementation represents exactly.
var idBlocks atomic.Uint64

// ids hands out the ids of one Conn, from 1 on: some servers take 0 for null.
type ids struct{ first, next, end uint64 }

func (s *ids) take() uint64 {
	if s.next == s.end {
		s.end = idBlocks.Add(1)*idBlock + 1
		s.next = s.end - idBlock
		if s.first == 0 {
			s.first = s.next
		}
	}
	id := s.next
	s.next++
	return id
}

// has reports whether id may be one of those that were handed out. Between blocks there may be those of other Conns.
func (s *ids) has(id uint64) bool { return id >= s.first && id < s.next }
