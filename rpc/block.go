package rpc

import (
	"encoding/binary"
	"math/bits"
)

// block passes an object or an array by its brackets and strings, without a look at what else it holds: whoever decodes it
// checks it anyway, and to check it here too would take longer than everything else that is done with a frame.
//
// Where brackets and quotes match, the end that is found is the true one, whatever texts the peer puts into strings on
// behalf of others. A peer that breaks the grammar between them spoils that value, which its decoder then refuses: no
// other member of the frame, and no other frame.
func (s *scanner) block() []byte {
	if s.depth == 0 {
		return s.fail(errDepth)
	}
	start, end := s.pos, blockEnd(s.text, s.pos, s.depth)
	switch end {
	case endless:
		return s.fail(errSyntax)
	case tooDeep:
		return s.fail(errDepth)
	}
	s.pos = end
	return s.text[start:end]
}

// What blockEnd returns for blocks that have no end, or that it does not follow to their end.
const (
	endless = -1
	tooDeep = -2
)

// blockEnd returns the index behind the block that begins at i and has at most so many levels.
func blockEnd(text []byte, i, levels int) int {
	i++
	for depth := 1; i < len(text); {
		var inside uint64
		if i, depth, inside = words(text, i, depth, levels); inside != 0 {
			i = quoteEnd(text, i)
		}
		if !isOutside(depth, levels) {
			i, depth = closely(text, i, depth, levels)
		}
		if isOutside(depth, levels) {
			return verdict(i, depth)
		}
	}
	return endless
}

// isOutside reports whether a block has ended, or is too deep.
func isOutside(depth, levels int) bool { return uint(depth-1) >= uint(levels) }

func verdict(end, depth int) int {
	if depth > 0 {
		return tooDeep
	}
	return end
}

// words goes on eight bytes at a time, up to the last few, to those that need a closer look, or to the block's end. What
// it returns as inside is all ones if it stops between quotes, else 0.
func words(text []byte, i, depth, levels int) (end, newDepth int, inside uint64) {
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i : i+8 : len(text)])
		// Without the bit that tells braces from brackets, what opens, the backslash and what closes follow each other.
		y := x & (0x5f * ones)
		m := ((y + (0x80-'[')*ones) ^ (y + (0x80-']'-1)*ones)) & signs
		if m&^(x<<7)|x&signs != 0 { // a backslash, a bar, or no ASCII
			break
		}
		quotes := (signs - (x ^ '"'*ones)) & signs
		parity := quotes * ones // in each byte's sign: that of the quotes up to there
		m &= ^(parity ^ inside)
		inside ^= -(parity >> 63)
		if m == 0 {
			continue
		}
		for opens := m & (x << 6); m != 0; m &= m - 1 {
			if m&-m&opens != 0 {
				depth++
			} else {
				depth--
			}
			if isOutside(depth, levels) {
				return i + bits.TrailingZeros64(m)/8 + 1, depth, 0
			}
		}
	}
	return i, depth, inside
}

// closely passes up to eight bytes, and the strings that begin in them.
func closely(text []byte, i, depth, levels int) (end, newDepth int) {
	for last := min(i+8, len(text)); i < last; {
		c := text[i]
		i++
		switch c {
		case '"':
			i = quoteEnd(text, i)
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		default:
			continue
		}
		if isOutside(depth, levels) {
			break
		}
	}
	return i, depth
}

// quoteEnd returns the index behind the string whose inside begins at i, or one that is not in the text.
func quoteEnd(text []byte, i int) int {
	for ; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return i
}
