package rpc

// queue is the calls whose frames wait in one lane, in the order in which they came.
type queue struct{ head, tail *call }

func (q *queue) push(cl *call) {
	if cl.prev = q.tail; cl.prev == nil {
		q.head = cl
	} else {
		cl.prev.next = cl
	}
	q.tail = cl
}

func (q *queue) remove(cl *call) {
	if cl.prev == nil {
		q.head = cl.next
	} else {
		cl.prev.next = cl.next
	}
	if cl.next == nil {
		q.tail = cl.prev
	} else {
		cl.next.prev = cl.prev
	}
	cl.prev, cl.next = nil, nil
}

// firstLocked is the call whose frame leaves first, nil if none waits.
func (c *Conn) firstLocked() *call {
	for lane := range c.queues {
		if head := c.queues[lane].head; head != nil {
			return head
		}
	}
	return nil
}

// queueLocked puts a call's frame into its lane.
func (c *Conn) queueLocked(cl *call) {
	c.queues[cl.lane].push(cl)
	c.waiting++
}

// unqueueLocked takes a call's frame out of its lane.
func (c *Conn) unqueueLocked(cl *call) *frame {
	c.queues[cl.lane].remove(cl)
	c.waiting--
	f := cl.frame
	cl.frame = nil
	return f
}
