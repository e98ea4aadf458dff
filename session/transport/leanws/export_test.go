package leanws

import "github.com/holdfast-ws/holdfast/rpc"

// What the tests measure against.
const (
	BufferStart = bufferStart
	BufferKeep  = bufferKeep
	BufferOwn   = bufferOwn
	BufferLarge = bufferLarge
)

// Mask copies src to dst, masked, and returns the key for what follows.
func Mask(dst, src []byte, key uint32) uint32 { return mask(dst, src, key) }

// IsASCII is isASCII.
func IsASCII(p []byte) bool { return isASCII(p) }

// Kept is the memory that t's buffers hold, in bytes: what was read, and what is to be written.
func Kept(t rpc.Transport) (read, write int) {
	l, ok := t.(*transport)
	if !ok {
		return -1, -1
	}
	return cap(l.in.buf), cap(l.out.buf)
}

// Goodbye is Close up to where its close frame is written: over a network that takes nothing more, Close waits there for a second.
func Goodbye(t rpc.Transport) {
	if t, ok := t.(*transport); ok {
		t.out.finish()
		t.out.writeControl()
	}
}
