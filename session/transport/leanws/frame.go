package leanws

import (
	"encoding/binary"
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
	bitFinal    = 0x80
	bitsRSV     = 0x70
	bitsOpcode  = 0x0F
	bitMask     = 0x80
	bitsLength  = 0x7F
	length16    = 126 // the length follows in 16 bits
	length64    = 127 // the length follows in 64 bits
	maxControl  = 125 // the longest payload of a control frame
	clientExtra = 14  // the longest header of a client's frame
)

// header is the header of a server's frame.
type header struct {
	opcode byte
	final  bool
	size   int    // of the header itself
	length uint64 // of the payload
}

// parseHeader reads the header at the front of p; its size is 0 if p is too short for it.
func parseHeader(p []byte) (h header, err error) {
	if len(p) < 2 {
		return header{}, nil
	}
	h = header{opcode: p[0] & bitsOpcode, final: p[0]&bitFinal != 0, size: 2, length: uint64(p[1] & bitsLength)}
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
	least := uint64(length16)
	if h.size = size; size == 4 {
		h.length = uint64(binary.BigEndian.Uint16(p[2:]))
	} else {
		least = 1 << 16
		h.length = binary.BigEndian.Uint64(p[2:])
	}
	if h.length < least || h.length >= 1<<63 {
		return header{}, errLength
	}
	return h, nil
}

// putHeader writes the header of a final frame to p, which has room for it, and returns the header's size.
func putHeader(p []byte, opcode byte, length int, key uint32) int {
	p[0] = bitFinal | opcode
	n := 2
	switch {
	case length < length16:
		p[1] = bitMask | byte(length)
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

// mask copies src to dst, which is as long, masked with key. It returns the key for the bytes that follow.
func mask(dst, src []byte, key uint32) uint32 {
	dst = dst[:len(src)]
	wide := uint64(key)<<32 | uint64(key)
	for len(src) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^wide)
		dst, src = dst[8:], src[8:]
	}
	for i := range src {
		dst[i] = src[i] ^ byte(key)
		key = bits.RotateLeft32(key, -8)
	}
	return key
}
