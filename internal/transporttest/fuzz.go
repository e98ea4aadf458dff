package transporttest

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// fuzzLimit is the read limit of fuzzed connections, in bytes.
const fuzzLimit = 300

// FuzzRead has s read whatever the fuzzer makes of frames, and compares the messages with those that a plain reading of
// RFC 6455 finds: none may be missing, cut, joined or made up.
func FuzzRead(f *testing.F, s Subject) {
	f.Helper()
	ping := frame{op: opPing, payload: []byte("p")}
	seeds := [][]frame{
		{text("{}"), ping, text(strings.Repeat("x", 200)), closing(1000, "bye")},
		{{op: opText, more: true, payload: []byte("a")}, ping, {payload: []byte("b")}, {op: opBinary}},
		{text(strings.Repeat("x", fuzzLimit)), text(strings.Repeat("x", fuzzLimit+1))},
		{{op: opText, rsv: 0x40}},
	}
	for _, frames := range seeds {
		var wire []byte
		for _, fr := range frames {
			wire = append(wire, fr.bytes()...)
		}
		f.Add(wire)
		f.Add(wire[:len(wire)/2])
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		conn := newScripted(wire)
		tr, err := s.Dialer.Dial(t.Context(), rpc.DialConfig{URL: url, ReadLimit: fuzzLimit, NetDial: conn.dial})
		if err != nil {
			t.Fatal(err)
		}
		defer closeTransport(t, tr)
		var got []string
		for {
			msg, err := tr.ReadMessage()
			if err != nil {
				break
			}
			got = append(got, string(msg))
		}
		if want := messages(wire); !slices.Equal(got, want) {
			t.Errorf("read %q from %q, want %q", got, wire, want)
		}
	})
}

// messages reads wire as RFC 6455 says, up to the first violation, and returns the text messages. It forgives one thing
// that the libraries forgive too: a mask, which it does not take off.
func messages(wire []byte) []string {
	var found []string
	r := bytes.NewReader(wire)
	var msg []byte
	for open := byte(0); ; {
		f, ok := parseFrame(r)
		switch control := f.op >= opClose; {
		case !ok, f.rsv != 0, f.op == opClose, control && f.more:
			return found
		case control && (f.op > opPong || len(f.payload) > 125):
			return found
		case control:
			continue
		case f.op > opBinary, (f.op == opContinuation) != (open != 0), f.op == opBinary:
			return found
		}
		msg = append(msg, f.payload...)
		if len(msg) > fuzzLimit {
			return found
		}
		open = opText
		if !f.more {
			found, msg, open = append(found, string(msg)), nil, 0
		}
	}
}

// parseFrame reads one whole frame.
func parseFrame(r io.Reader) (f frame, ok bool) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, false
	}
	size := uint64(head[1] & 0x7f)
	extended := make([]byte, 8)
	var err error
	switch size {
	case 126:
		_, err = io.ReadFull(r, extended[6:])
		size = binary.BigEndian.Uint64(extended)
	case 127:
		_, err = io.ReadFull(r, extended)
		size = binary.BigEndian.Uint64(extended)
	}
	if err != nil || size > 1<<20 {
		return frame{}, false
	}
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, make([]byte, 4)); err != nil {
			return frame{}, false
		}
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return frame{}, false
	}
	return frame{op: head[0] & 0xf, more: head[0]&0x80 == 0, rsv: head[0] & 0x70, payload: payload}, true
}
