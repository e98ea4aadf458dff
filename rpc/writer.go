package rpc

import (
	"context"
	"math"
	"runtime"
	"time"
)

// There is no writer goroutine but while the peer does not keep up. A caller that finds nobody writing takes the role and
// writes at once; the others leave their frames in the lanes, and the writer takes all of them in its next round. Every
// frame in a lane has a caller that waits for it, so there is always one to hand the role to.

const (
	maxBatch  = 64 << 10 // bytes of one write, but for one frame of each lane
	maxRounds = 4        // writes after which the role is handed on
	maxYields = 8        // before the first of them

	slowYield = 20 * time.Microsecond // for each frame that has come meanwhile: a slower one does not pay
	rest      = 8                     // times that a slow one took, until the next
)

// batch is what the writer writes next. It belongs to whoever has the role.
type batch struct {
	frames   []*frame
	messages [][]byte
	bytes    uint64
}

func (b *batch) add(f *frame) {
	msg := f.message()
	b.frames = append(b.frames, f)
	b.messages = append(b.messages, msg)
	b.bytes += uint64(len(msg))
}

// release gives the frames back, and wipes the sensitive ones.
func (b *batch) release() {
	for _, f := range b.frames {
		f.release()
	}
	clear(b.frames)
	clear(b.messages)
	b.frames, b.messages, b.bytes = b.frames[:0], b.messages[:0], 0
}

// yieldsFrom is how many calls must be under way, or answered since the last write and so perhaps about to be followed by
// others, for a caller of that lane to let others share its write. An order yields only in a storm, in which sharing
// brings each of them to the wire sooner; what is urgent never does.
func (l Lane) yieldsFrom() int {
	switch {
	case l > LaneOrder:
		return 4
	case l == LaneOrder:
		return 8
	}
	return math.MaxInt
}

// gather lets callers that were answered together, and so call again together, share the write that is to come: it yields
// to the scheduler as long as frames come, unless one that is urgent waits. It reports whether the caller still has the
// writer's role.
func (c *Conn) gather(cl *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gatherer, cl.heir = cl, false
	for before, yields := 0, 0; c.gatherer == cl && c.waiting > before && yields < maxYields; yields++ {
		if !c.firstLocked().yields {
			break
		}
		before = c.waiting
		c.yieldLocked()
	}
	still := c.gatherer == cl
	if still {
		c.gatherer = nil
	}
	return still
}

// yieldLocked yields once, without the lock, unless that was slow a short time ago: where other goroutines of the program
// keep the processors busy it takes milliseconds, for all whose frames wait.
func (c *Conn) yieldLocked() {
	begun, before := clock(), c.waiting
	if begun < c.rested {
		return
	}
	c.mu.Unlock()
	runtime.Gosched()
	c.mu.Lock()
	now, came := clock(), max(0, c.waiting-before)
	if took := now - begun; took > slowYield*time.Duration(1+came) {
		c.rested = now + rest*took
	}
}

// write has the caller play the writer's role until nothing waits or somebody else has it. A caller whose context has
// ended writes for nobody else.
func (c *Conn) write(ctx context.Context, cl *call) {
	if cl.yields && !c.gather(cl) {
		return
	}
	for round := range maxRounds {
		if round > 0 && ctx.Err() != nil {
			break
		}
		if !c.takeBatch() {
			return
		}
		if c.transmit() {
			return // flush has the role
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passOnLocked()
}

// takeBatch takes what waits, in the order of the lanes. If nothing does, it gives up the role.
func (c *Conn) takeBatch() bool {
	var now time.Duration
	if c.cfg.Observer != nil {
		now = clock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for lane := range c.queues {
		q := &c.queues[lane]
		for first := true; q.head != nil && (first || c.batch.bytes < maxBatch); first = false {
			c.takeLocked(q.head, now)
		}
	}
	if len(c.batch.frames) == 0 {
		c.writing = false
		return false
	}
	c.handed = 0
	return true
}

func (c *Conn) takeLocked(cl *call, now time.Duration) {
	c.batch.add(c.unqueueLocked(cl))
	cl.heir = false
	cl.trace.taken = now
	if cl.pipelined {
		cl.wake <- signalTaken
	}
}

// passOnLocked hands the role to the caller whose frame is first, or to nobody if none waits.
func (c *Conn) passOnLocked() {
	heir := c.firstLocked()
	if heir == nil {
		c.writing = false
		return
	}
	heir.heir = true
	heir.wake <- signalWrite
}

// transmit writes the batch. The peer has Config.WriteTimeout to take it; if it does not take it at once, and the transport
// can keep it, transmit gives the role to flush and reports that.
func (c *Conn) transmit() (left bool) {
	c.watchdog.Reset(c.cfg.WriteTimeout)
	left, err := c.writeBatch()
	if err == nil {
		c.counters.sent.Add(uint64(len(c.batch.messages)))
		c.counters.writes.Add(1)
		c.counters.bytesOut.Add(c.batch.bytes)
	}
	c.batch.release() // before flush may hand it on
	if left && c.startFlush() {
		return true
	}
	c.written(err)
	return false
}

func (c *Conn) writeBatch() (left bool, err error) {
	if c.flusher != nil {
		return c.flusher.TryWriteMessages(c.batch.messages...)
	}
	return false, c.transport.WriteMessages(c.batch.messages...)
}

// written ends the time that the peer has to take a batch.
func (c *Conn) written(err error) {
	if !c.watchdog.Stop() {
		<-c.stalled // joins it
	}
	if err != nil {
		c.end(writeError(err))
	}
}

// startFlush starts flush, unless the connection has ended: then Close may be waiting for what runs already.
func (c *Conn) startFlush() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false
	}
	c.running.Go(c.flush)
	return true
}

// flush has the writer's role while the peer does not keep up, so that no caller waits for it, and then hands it on.
func (c *Conn) flush() {
	c.written(c.flusher.Flush())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passOnLocked()
}

// stall is run by the watchdog.
func (c *Conn) stall() {
	c.end(ErrWriteStalled)
	c.stalled <- struct{}{}
}
