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
	b := block{text: s.text, pos: s.pos, limit: s.depth}
	for more := true; more; {
		if more = b.words(); more {
			more = b.step()
		}
	}
	if b.err != nil {
		return s.fail(b.err)
	}
	start := s.pos
	s.pos = b.pos
	return s.text[start:b.pos]
}

// block is a walk over an object or an array. It rests outside strings only.
type block struct {
	text  []byte
	pos   int
	depth int
	limit int // of depth
	err   error
}

// words walks on in words of eight bytes, up to the last bytes of the text or a word that needs a closer look. It reports
// false at the block's end.
func (b *block) words() bool {
	text, i, depth := b.text, b.pos, b.depth
	var inside uint64 // all ones between quotes
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i : i+8 : len(text)])
		// Without the bit that tells braces from brackets, what opens, the backslash and what closes follow each other.
		y := x & (0x5f * ones)
		m := (y + (0x80-'[')*ones) ^ (y + (0x80-']'-1)*ones)
		if (m&^(x<<7)|x)&signs != 0 {
			break // a backslash, a bar, or no ASCII
		}
		quotes := ^((x ^ '"'*ones) + rests) & signs
		parity := (quotes >> 7) * ones << 7 // in each byte's sign: that of the quotes up to there
		m &= ^(parity ^ inside) & signs
		inside ^= -(parity >> 63)
		for opens := m & (x << 6); m != 0; m &= m - 1 {
			if m&-m&opens != 0 {
				if depth++; depth > b.limit {
					b.err = errDepth
					return false
				}
			} else if depth--; depth == 0 {
				b.pos = i + bits.TrailingZeros64(m)/8 + 1
				return false
			}
		}
	}
	b.pos, b.depth = i, depth
	return inside == 0 || b.quote()
}

// step passes a byte, or a whole string. It reports false at the block's end.
func (b *block) step() bool {
	if b.pos == len(b.text) {
		b.err = errSyntax
		return false
	}
	c := b.text[b.pos]
	b.pos++
	switch c {
	case '"':
		return b.quote()
	case '{', '[':
		if b.depth++; b.depth > b.limit {
			b.err = errDepth
			return false
		}
	case '}', ']':
		b.depth--
	}
	return b.depth > 0
}

// quote passes the rest of a string.
func (b *block) quote() bool {
	for i := b.pos; i < len(b.text); i++ {
		switch b.text[i] {
		case '"':
			b.pos = i + 1
			return true
		case '\\':
			i++
		}
	}
	b.err = errSyntax
	return false
}
