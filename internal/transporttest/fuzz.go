package transporttest

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// fuzzLimit is the read limit of fuzzed connections, in bytes.
const fuzzLimit = 300

// FuzzRead has each of subjects read whatever the fuzzer makes of frames, and compares the messages and the end with
// those that a model of RFC 6455 finds: no message may be missing, cut, joined or made up.
func FuzzRead(f *testing.F, subjects ...Subject) {
	f.Helper()
	ping := frame{op: opPing, payload: []byte("p")}
	seeds := [][]frame{
		{text("{}"), ping, text(strings.Repeat("x", 200)), closing(1000, "bye")},
		{{op: opText, more: true, payload: []byte("a")}, ping, {payload: []byte("b")}, {op: opBinary}},
		{text(strings.Repeat("x", fuzzLimit)), text(strings.Repeat("x", fuzzLimit+1))},
		{text("\xff"), {op: opText, rsv: 0x40}},
		{{op: opText, more: true}, {op: opPong}, {}, {op: opClose}},
		{closing(4000, "\xff")},
	}
	for _, frames := range seeds {
		var wire []byte
		for _, fr := range frames {
			wire = append(wire, fr.bytes()...)
		}
		f.Add(wire)
		f.Add(wire[:len(wire)/2])
	}
	f.Add([]byte{0x81, 0x82, 1, 2, 3, 4, '{', '}'})
	f.Add([]byte{0x81, 126, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, wire []byte) {
		for _, s := range subjects {
			m := model{wire: wire, limit: fuzzLimit, strict: s.Strict}
			wantEnd := m.read()
			got, end := readAll(t, s.Dialer, wire)
			if !slices.Equal(got, m.messages) || !sameEnd(&m, end, wantEnd) {
				t.Errorf("%s: read %q, %s, from %q, want %q, %s", s.Name, got, end, wire, m.messages, wantEnd)
			}
		}
	})
}

// readAll reads wire to its end.
func readAll(t *testing.T, d rpc.Dialer, wire []byte) (messages []string, end string) {
	t.Helper()
	conn := newScripted(wire)
	tr, err := d.Dial(t.Context(), rpc.DialConfig{URL: url, ReadLimit: fuzzLimit, NetDial: conn.dial})
	if err != nil {
		t.Fatal(err)
	}
	defer closeTransport(t, tr)
	for {
		msg, err := tr.ReadMessage()
		if err != nil {
			return messages, ending(err)
		}
		messages = append(messages, string(msg))
	}
}

// sameEnd compares how reading ended with how it should. A dialer that is not strict finds out that a message is too big
// only when it meets the byte too many, and may take a cut inside a header or a control frame for one between messages.
func sameEnd(m *model, got, want string) bool {
	return got == want || !m.strict &&
		(want == endTooBig && got == endInside || want == endInside && got == endBetween && !m.payload)
}
