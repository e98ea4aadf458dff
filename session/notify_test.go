package session_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

func TestRouting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, params, channel, data string // channel empty: goes nowhere
	}{
		{"object", `{"channel":"ticker.X.raw","data":{"a":[1,{"b":"}"}]}}`, "ticker.X.raw", `{"a":[1,{"b":"}"}]}`},
		{"array", `{"channel":"trades.X.raw","data":[{"a":1},{"a":2}]}`, "trades.X.raw", `[{"a":1},{"a":2}]`},
		{"data first", `{"data":{"channel":"inner","data":1},"channel":"outer"}`, "outer", `{"channel":"inner","data":1}`},
		{"label between", `{"channel":"user.lock","label":"l,}","data":null}`, "user.lock", `null`},
		{"number", `{"channel":"c","data":-1.5e4}`, "c", `-1.5e4`},
		{"string with escapes", `{"channel":"c","data":"a\"},\\"}`, "c", `"a\"},\\"`},
		{"space everywhere", " {\n\t\"channel\" : \"c\" ,\r\n \"data\" : [ 1 ] } ", "c", `[ 1 ]`},
		{"unknown members", `{"x":{"data":1},"channel":"c","y":[],"data":true,"z":"channel"}`, "c", `true`},
		{"name with escapes", `{"ch\u0061nnel":"c","data":1}`, "c", `1`},
		{"no data", `{"channel":"c"}`, "", ""},
		{"no channel", `{"data":1}`, "", ""},
		{"empty channel", `{"channel":"","data":1}`, "", ""},
		{"channel is no string", `{"channel":7,"data":1}`, "", ""},
		{"channel with escapes", `{"channel":"a\u002e","data":1}`, "", ""},
		{"no object", `["channel","data"]`, "", ""},
		{"nothing", ``, "", ""},
	} {
		r := session.NewRegistry()
		var got []session.Notification
		for _, name := range []string{"c", "ticker.X.raw", "trades.X.raw", "inner", "outer", "user.lock", "a."} {
			r.Tap(name, func(n session.Notification) { got = append(got, n) })
		}
		r.Deliver(3, c.params)
		switch {
		case c.channel == "" && len(got) > 0:
			t.Errorf("%s: went to %q", c.name, got[0].Channel)
		case c.channel == "":
		case len(got) != 1 || got[0].Channel != c.channel || string(got[0].Data) != c.data || got[0].Epoch != 3:
			t.Errorf("%s: got %+v, want %s of %s", c.name, got, c.data, c.channel)
		}
	}
}
