package leanws

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Opcodes of RFC 6455, section 5.2. The control frames are those from opClose.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// Bits of the two bytes that every header has.
const (
	bitFinal        = 0x80
	bitsRSV         = 0x70
	bitsOpcode      = 0x0F
	bitMask         = 0x80
	bitsLength      = 0x7F
	length16        = 126 // the length follows in 16 bits
	length64        = 127 // the length follows in 64 bits
	maxControl      = 125 // the longest payload of a control frame
	maxServerHeader = 10  // without a mask
	maxClientHeader = 14
)

// header is the header of a server's frame.
type header struct {
	opcode byte
	final  bool
	size   int // of the header itself
	length int // of the payload
}

// parseHeader reads the header at the front of p; its size is 0 if p is too short for it.
func parseHeader(p []byte) (h header, err error) {
	if len(p) < 2 {
		return header{}, nil
	}
	h = header{opcode: p[0] & bitsOpcode, final: p[0]&bitFinal != 0, size: 2, length: int(p[1] & bitsLength)}
	if p[0]&bitsRSV != 0 {
		return header{}, errReserved
	}
	if p[1]&bitMask != 0 {
		return header{}, errMasked
	}
	switch h.length {
	case length16:
		return extended(p, h, 4)
	case length64:
		return extended(p, h, 10)
	}
	return h, nil
}

// extended completes h with the length that follows the first two bytes of p; size is that of the whole header.
func extended(p []byte, h header, size int) (header, error) {
	if len(p) < size {
		return header{}, nil
	}
	least, length := uint64(length16), uint64(binary.BigEndian.Uint16(p[2:]))
	if size == 10 {
		least, length = 1<<16, binary.BigEndian.Uint64(p[2:])
	}
	if length < least || length >= 1<<63 {
		return header{}, errLength
	}
	h.size, h.length = size, int(min(length, math.MaxInt))
	return h, nil
}

// putHeader writes the header of a final frame to p, which has room for it, and returns the header's size.
func putHeader(p []byte, opcode byte, length int, key uint32) int {
	p[0] = bitFinal | opcode
	n := 2
	switch {
	case length < length16:
		p[1] = bitMask | byte(length) //nolint:gosec // below 126
	case length < 1<<16:
		p[1] = bitMask | length16
		binary.BigEndian.PutUint16(p[2:], uint16(length))
		n = 4
	default:
		p[1] = bitMask | length64
		binary.BigEndian.PutUint64(p[2:], uint64(length))
		n = 10
	}
	binary.LittleEndian.PutUint32(p[n:], key)
	return n + 4
}

// mask copies src to dst, which has room for it, masked with key. It returns the key for the bytes that follow.
func mask(dst, src []byte, key uint32) uint32 {
	wide := uint64(key)<<32 | uint64(key)
	word := binary.LittleEndian
	for len(src) >= 32 && len(dst) >= 32 { // four words at a time: measured
		word.PutUint64(dst, word.Uint64(src)^wide)
		word.PutUint64(dst[8:], word.Uint64(src[8:])^wide)
		word.PutUint64(dst[16:], word.Uint64(src[16:])^wide)
		word.PutUint64(dst[24:], word.Uint64(src[24:])^wide)
		dst, src = dst[32:], src[32:]
	}
	for len(src) >= 8 && len(dst) >= 8 {
		word.PutUint64(dst, word.Uint64(src)^wide)
		dst, src = dst[8:], src[8:]
	}
	for i := range src {
		dst[i] = src[i] ^ byte(key) //nolint:gosec // its lowest byte is meant
		key = bits.RotateLeft32(key, -8)
	}
	return key
}
