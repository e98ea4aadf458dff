package session_test

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/session"
)

// oneFrame is a connection that brings one frame and ends.
type oneFrame struct{ frame []byte }

// ReadMessage implements rpc.Transport.
func (f *oneFrame) ReadMessage() ([]byte, error) {
	if f.frame == nil {
		return nil, io.EOF
	}
	frame := f.frame
	f.frame = nil
	return frame, nil
}

// WriteMessages implements rpc.Transport.
func (*oneFrame) WriteMessages(...[]byte) error { return io.ErrClosedPipe }

// Close implements rpc.Transport.
func (*oneFrame) Close() error { return nil }

// deliver has a registry read a notification with params from a connection, and from a notification that nobody has scanned.
func deliver(t *testing.T, r *session.Registry, params []byte) {
	t.Helper()
	conn := r.Conn(&oneFrame{slices.Concat([]byte(`{"jsonrpc":"2.0","method":"subscription","params":`), params, []byte(`}`))})
	<-conn.Done()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	r.Deliver(1, string(params))
}

// FuzzNotification compares where a notification goes, and with what data, with what encoding/json reads.
func FuzzNotification(f *testing.F) {
	for _, seed := range []string{
		`{"channel":"ticker.X.raw","data":{"a":[1,{"b":"}"}]}}`, `{"data":{"channel":"inner","data":1},"channel":"outer"}`,
		`{"x":{"data":1},"channel":"c","y":[],"data":true,"z":"channel"}`, `{"channel":"a\u002e","data":1}`, `{"ch\u0061nnel":"c","data":1}`,
		`{"channel":"c","CHANNEL":"d","data":1}`, `{"channel":"c","channel":"d","data":1,"data":2}`, `{"channel":"c","data":1}}`, ` [1] `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, params []byte) {
		channel, data, ok := routeOf(params)
		r := session.NewRegistry()
		var got []session.Notification
		for _, name := range []string{channel, "c", "d", "ticker.X.raw"} {
			r.Tap(name, func(n session.Notification) {
				got = append(got, session.Notification{Channel: n.Channel, Data: bytes.Clone(n.Data)})
			})
		}
		deliver(t, r, params)
		for _, n := range got {
			if !bytes.Contains(params, n.Data) || !bytes.Contains(params, []byte(n.Channel)) {
				t.Fatalf("%q: %q of %q is made up", params, n.Data, n.Channel)
			}
		}
		if !ok {
			return
		}
		taps := 2 // twice delivered
		if channel == "c" || channel == "d" || channel == "ticker.X.raw" {
			taps = 4
		}
		if data == nil {
			taps = 0
		}
		if len(got) != taps || taps > 0 && (got[0].Channel != channel || string(got[0].Data) != string(data)) {
			t.Fatalf("%q: got %+v, want %d times %s of %q", params, got, taps, data, channel)
		}
	})
}

// routeOf is where params go, if that is beyond doubt; data is nil if they go nowhere.
func routeOf(params []byte) (channel string, data []byte, ok bool) {
	if !json.Valid(params) || !utf8.Valid(params) { // encoding/json replaces invalid UTF-8
		return "", nil, false
	}
	if depth := deepest(params); depth > 60 {
		return "", nil, false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(params, &members) != nil {
		return "", nil, true // no object goes anywhere
	}
	dec, names := json.NewDecoder(bytes.NewReader(params)), 0
	_, _ = dec.Token()
	for dec.More() {
		_, _ = dec.Token()
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return "", nil, false
		}
		names++
	}
	name := string(members["channel"])
	if names != len(members) || json.Unmarshal(members["channel"], &channel) != nil || strings.Contains(name, `\`) || name == "null" {
		return "", nil, names == len(members) // twice the same name, or no name that is looked for
	}
	return channel, members["data"], true
}

// deepest is how deep valid JSON is nested.
func deepest(text []byte) (most int) {
	dec := json.NewDecoder(bytes.NewReader(text))
	for depth := 0; ; most = max(most, depth) {
		token, err := dec.Token()
		if err != nil {
			return most
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// FuzzChannelName takes any name through all that a channel's name goes through: the frame that asks for it, its kind, its place
// in the index, and the way of its notifications.
func FuzzChannelName(f *testing.F) {
	for _, seed := range []string{
		"book.BTC-PERPETUAL.raw", "book.BTC-PERPETUAL.none.10.100ms", "user.orders.BTC-PERPETUAL.raw", "user", "user.", "", ".", "..raw",
		"block_rfq.maker.x", "block_rfq.trades", "a\"b", "a\\u002eb", "ticker.\xff", "ticker.\u2028", "quote\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		parts := strings.Split(name, ".")
		wantKind(t, name, parts)
		if got, want := session.IsBookWithChain(name), len(parts) == 3 && parts[0] == "book"; got != want {
			t.Errorf("IsBookWithChain(%q) = %t", name, got)
		}
		wantAsked(t, name, parts)
		wantFound(t, name)
		wantRouted(t, name)
	})
}

// wantKind checks that no name makes a kind of its own.
func wantKind(t *testing.T, name string, parts []string) {
	t.Helper()
	kind := session.KindName(name)
	first := parts[0]
	if first == "user" && len(parts) > 1 {
		first += "." + parts[1]
	}
	if kind != "other" && (kind != first || strings.ContainsFunc(kind, func(r rune) bool { return r > 'z' || r < '.' })) {
		t.Errorf("the kind of %q is %q", name, kind)
	}
}

// wantAsked checks the frames that ask for name and others.
func wantAsked(t *testing.T, name string, parts []string) {
	t.Helper()
	names := []string{"ticker.A", name, "user.B", strings.Repeat("c", 200)}
	private := parts[0] == "user" && len(parts) > 1
	for _, prefix := range []string{"block_rfq.maker", "block_rfq.taker", "block_trade_confirmations"} {
		private = private || strings.HasPrefix(name, prefix)
	}
	seen := 0
	for method, chunk := range session.Chunks(names) {
		seen += len(chunk)
		text, err := json.Marshal(chunk)
		var back []string
		if err != nil || json.Unmarshal(text, &back) != nil || len(back) != len(chunk) {
			t.Fatalf("%q does not survive its frame: %q", chunk, text)
		}
		if i := slices.Index(chunk, name); i >= 0 && utf8.ValidString(name) && back[i] != name {
			t.Errorf("%q is asked for as %q", name, back[i])
		}
		if name != "ticker.A" && name != "user.B" && slices.Contains(chunk, name) && (method == "private/subscribe") != private {
			t.Errorf("%q by %s", name, method)
		}
		if size := len(strings.Join(chunk, "")); size > session.MaxFrame && len(chunk) > 1 {
			t.Errorf("%d names of %d bytes in a frame", len(chunk), size)
		}
	}
	if seen != len(names) {
		t.Errorf("%d names are asked for, want %d", seen, len(names))
	}
}

// wantFound checks the index.
func wantFound(t *testing.T, name string) {
	t.Helper()
	x := session.NewIndex()
	x.Add(name)
	x.Add(name + "x")
	if got, ok := x.Find([]byte(name)); !ok || got != name {
		t.Errorf("%q was found as %q, %t", name, got, ok)
	}
	x.Remove(name)
	if got, ok := x.Find([]byte(name)); ok {
		t.Errorf("%q was removed, and found as %q", name, got)
	}
	if _, ok := x.Find([]byte(name + "x")); !ok {
		t.Errorf("%q is gone with %q", name+"x", name)
	}
}

// wantRouted checks that a notification reaches its channel and no other. A name that JSON writes with escapes is not found:
// the exchange has none.
func wantRouted(t *testing.T, name string) {
	t.Helper()
	var quoted bytes.Buffer
	enc := json.NewEncoder(&quoted)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(name); err != nil {
		t.Fatal(err)
	}
	want := 2
	if !utf8.ValidString(name) || strings.Contains(quoted.String(), `\`) {
		want = 0
	}
	r := session.NewRegistry()
	got := 0
	r.Tap(name, func(n session.Notification) {
		if got++; n.Channel != name || string(n.Data) != "1" {
			t.Errorf("%q has %q of %q", name, n.Data, n.Channel)
		}
	})
	for _, other := range []string{name + "x", "x" + name} {
		r.Tap(other, func(n session.Notification) { t.Errorf("what is of %q went to %q", name, n.Channel) })
	}
	deliver(t, r, []byte(`{"channel":`+strings.TrimSpace(quoted.String())+`,"data":1}`))
	if got != want {
		t.Errorf("%q was reached %d times, want %d", name, got, want)
	}
}
