package wirepeer

import (
	"encoding/binary"
	"errors"
)

// The opcodes of RFC 6455 that matter here.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
)

const (
	finalBit   = 0x80
	maskBit    = 0x80
	maxMessage = 64 << 20 // bytes
)

var errFrame = errors.New("bad frame")

// frame is one frame of a client, with its payload unmasked in place.
type frame struct {
	opcode  byte
	final   bool
	payload []byte
}

// parseFrame takes a frame from the start of b, and returns its size on the wire. If b has only a part of it, size is
// what b must hold before it is worth asking again, and whole is false.
func parseFrame(b []byte) (f frame, size int, whole bool, err error) {
	const mask = 4
	head := 2
	if len(b) < head {
		return f, head, false, nil
	}
	length := uint64(b[1] &^ maskBit)
	switch length {
	case 126:
		head += 2
	case 127:
		head += 8
	}
	if len(b) < head+mask {
		return f, head + mask, false, nil
	}
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		length = binary.BigEndian.Uint64(b[2:])
	}
	if b[1]&maskBit == 0 || length > maxMessage {
		return f, 0, false, errFrame
	}
	size = head + mask + int(length)
	if len(b) < size {
		return f, size, false, nil
	}
	f = frame{opcode: b[0] & 0x0f, final: b[0]&finalBit != 0, payload: b[head+mask : size]}
	unmask(f.payload, [mask]byte(b[head:]))
	return f, size, true, nil
}

func unmask(p []byte, key [4]byte) {
	one := uint64(binary.LittleEndian.Uint32(key[:]))
	word := one<<32 | one
	for ; len(p) >= 32; p = p[32:] {
		for at := 0; at < 32; at += 8 {
			binary.LittleEndian.PutUint64(p[at:32], binary.LittleEndian.Uint64(p[at:32])^word)
		}
	}
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^word)
	}
	for i := range p {
		p[i] ^= key[i&3]
	}
}

// appendHeader appends the header of an unfragmented frame.
func appendHeader(dst []byte, opcode byte, length int) []byte {
	dst = append(dst, finalBit|opcode)
	switch {
	case length < 126:
		return append(dst, byte(length)) //nolint:gosec // below 126
	case length < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(length))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(length))
}
