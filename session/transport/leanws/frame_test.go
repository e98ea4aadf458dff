package leanws_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

// FuzzMask masks in two parts, as a message does that does not fit into the buffer, and compares with RFC 6455, section 5.3,
// byte by byte.
func FuzzMask(f *testing.F) {
	for _, size := range []int{0, 1, 7, 8, 31, 32, 33, 150, 1000} {
		f.Add(bytes.Repeat([]byte("0123456789"), size/10+1)[:size], uint32(0x01020304), uint16(size/3))
	}
	f.Fuzz(func(t *testing.T, src []byte, key uint32, at uint16) {
		cut := min(int(at), len(src))
		kept := bytes.Clone(src)
		got := make([]byte, len(src))
		next := leanws.Mask(got[:cut], src[:cut], key)
		leanws.Mask(got[cut:], src[cut:], next)

		octets := binary.LittleEndian.AppendUint32(nil, key)
		for i := range src {
			if want := src[i] ^ octets[i%4]; got[i] != want {
				t.Fatalf("byte %d of %d, cut at %d: got %#x, want %#x", i, len(src), cut, got[i], want)
			}
		}
		if !bytes.Equal(src, kept) {
			t.Error("the source was changed")
		}
	})
}

func FuzzIsASCII(f *testing.F) {
	for _, seed := range []string{"", "{}", "\x80", "0123456789abcdef0123456789abcde\xc3\xa4"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		want := true
		for _, b := range p {
			want = want && b < utf8.RuneSelf
		}
		if got := leanws.IsASCII(p); got != want {
			t.Errorf("got %t for %q", got, p)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	src, dst := make([]byte, 150), make([]byte, 150)
	b.SetBytes(int64(len(src)))
	for key := rand.Uint32(); b.Loop(); {
		leanws.Mask(dst, src, key)
	}
}
