package rpc

// slots are the calls that have no outcome yet. A call stands in the slot of its id modulo their number, and an id whose
// slot is still taken is passed over. An answer is matched by the whole id: so one that comes late finds nobody, whoever
// uses the slot by then.
type slots struct {
	calls []*call // at most half of them taken
	size  uint64  // of calls, a power of two
	n     int
	// emptied is closed when n falls to 0 by a remove; nil if nobody waits for that.
	emptied chan struct{}
}

const minSlots = 64

// put gives the call the next id whose slot is free, and its slot.
func (s *slots) put(ids *ids, cl *call) {
	if 2*s.n >= len(s.calls) {
		s.grow()
	}
	for {
		cl.id = ids.take()
		if slot := s.of(cl.id); *slot == nil {
			*slot = cl
			s.n++
			return
		}
	}
}

// find returns the call with that id, nil if there is none.
func (s *slots) find(id uint64) *call {
	if s.size == 0 {
		return nil
	}
	if cl := *s.of(id); cl != nil && cl.id == id {
		return cl
	}
	return nil
}

func (s *slots) remove(cl *call) {
	*s.of(cl.id) = nil
	s.n--
	if s.n == 0 && s.emptied != nil {
		close(s.emptied)
		s.emptied = nil
	}
}

func (s *slots) of(id uint64) **call { return &s.calls[id&(s.size-1)] }

// grow doubles the slots. Calls that had slots of their own still have.
func (s *slots) grow() {
	old := s.calls
	s.size = max(2*s.size, minSlots)
	s.calls = make([]*call, s.size)
	for _, cl := range old {
		if cl != nil {
			*s.of(cl.id) = cl
		}
	}
}

// all calls yield with each call; it removes none.
func (s *slots) all(yield func(*call) bool) {
	for _, cl := range s.calls {
		if cl != nil && !yield(cl) {
			return
		}
	}
}
