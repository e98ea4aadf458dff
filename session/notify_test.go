package session_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

func TestSplitNotification(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, params, channel, data string // channel empty: not found
	}{
		{"object", `{"channel":"ticker.X.raw","data":{"a":[1,{"b":"}"}]}}`, "ticker.X.raw", `{"a":[1,{"b":"}"}]}`},
		{"array", `{"channel":"trades.X.raw","data":[{"a":1},{"a":2}]}`, "trades.X.raw", `[{"a":1},{"a":2}]`},
		{"data first", `{"data":{"channel":"inner","data":1},"channel":"outer"}`, "outer", `{"channel":"inner","data":1}`},
		{"label between", `{"channel":"user.lock","label":"l,}","data":null}`, "user.lock", `null`},
		{"number", `{"channel":"c","data":-1.5e4}`, "c", `-1.5e4`},
		{"string with escapes", `{"channel":"c","data":"a\"},\\"}`, "c", `"a\"},\\"`},
		{"space everywhere", " {\n\t\"channel\" : \"c\" ,\r\n \"data\" : [ 1 ] } ", "c", `[ 1 ]`},
		{"unknown members", `{"x":{"data":1},"channel":"c","y":[],"data":true,"z":"channel"}`, "c", `true`},
		{"no data", `{"channel":"c"}`, "", ""},
		{"no channel", `{"data":1}`, "", ""},
		{"empty channel", `{"channel":"","data":1}`, "", ""},
		{"channel is no string", `{"channel":7,"data":1}`, "", ""},
		{"channel with escapes", `{"channel":"a\u002e","data":1}`, "", ""},
		{"no object", `["channel","data"]`, "", ""},
		{"nothing", ``, "", ""},
	} {
		channel, data, ok := session.SplitNotification([]byte(c.params))
		switch {
		case ok != (c.channel != ""):
			t.Errorf("%s: found = %t", c.name, ok)
		case ok && (string(channel) != c.channel || string(data) != c.data):
			t.Errorf("%s: channel %q, data %q, want %q, %q", c.name, channel, data, c.channel, c.data)
		}
	}
}

// FuzzNotification holds the splitter against encoding/json wherever that can judge: on well-formed params whose keys and
// whose channel's name have no escapes. On any other bytes it must neither panic nor return bytes that it was not given.
func FuzzNotification(f *testing.F) {
	for _, s := range []string{
		`{"channel":"book.BTC-PERPETUAL.raw","data":{"type":"snapshot","change_id":1,"bids":[["new",1.0,2]]}}`,
		`{"data":"\"}","channel":"c"}`, `{"channel":"c","data":`, `{"channel":"c" "data":1}`, `{"a":{},"data":[],"channel":"x"}`,
		`{"channel":"c","data":1,"data":2}`, `{"channel":"c","channel":3,"data":1}`, `{:`, `{"`, `{"\`, `{"":}`, `[}`, "{\"channel\":\"\xff\",\"data\":0}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, params []byte) {
		given := bytes.Clone(params)
		channel, data, ok := session.SplitNotification(params)
		if !bytes.Equal(given, params) {
			t.Fatal("the input was changed")
		}
		if !bytes.Contains(params, channel) || !bytes.Contains(params, data) {
			t.Fatalf("channel %q, data %q are not of the input", channel, data)
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(params, &want) != nil {
			return
		}
		if bytes.IndexByte(bytes.Replace(params, want["data"], nil, 1), '\\') >= 0 {
			return
		}
		name := want["channel"]
		found := len(name) > 2 && name[0] == '"' && len(want["data"]) > 0
		if ok != found {
			t.Fatalf("found = %t, encoding/json says %t", ok, found)
		}
		if ok && (!bytes.Equal(channel, name[1:len(name)-1]) || !bytes.Equal(data, want["data"])) {
			t.Fatalf("channel %q, data %q, encoding/json says %s, %s", channel, data, name, want["data"])
		}
	})
}
