package deribittest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// TestBadInput shows what every kind of unsound request gets. The connection serves on after each.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	c := dial(t, s)
	for _, tt := range []struct {
		name, text string
		id         string // of the reply; empty for none
		code       int
		param      string
	}{
		{"not JSON", `hello`, "", -32700, ""},
		{"empty", ``, "", -32700, ""},
		{"cut short", `{"jsonrpc":"2.0","id":1`, "", -32700, ""},
		{"two texts", `{"jsonrpc":"2.0","id":1,"method":"public/test"}{}`, "", -32700, ""},
		{"10,000 levels deep", strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), "", -32700, ""},
		{"batch", `[{"jsonrpc":"2.0","id":1,"method":"public/test"}]`, "", 11050, "request"},
		{"a string", `"public/test"`, "", 11050, "request"},
		{"null", `null`, "", 11050, "request"},
		{"no id", `{"jsonrpc":"2.0","method":"public/test"}`, "", 11050, "id"},
		{"id null", `{"jsonrpc":"2.0","id":null,"method":"public/test"}`, "", 11050, "id"},
		{"id in capitals", `{"jsonrpc":"2.0","ID":1,"method":"public/test"}`, "", 11050, "id"},
		{"id a fraction", `{"jsonrpc":"2.0","id":1.5,"method":"public/test"}`, "", 11050, "id"},
		{"id an object", `{"jsonrpc":"2.0","id":{},"method":"public/test"}`, "", 11050, "id"},
		{"no version", `{"id":1,"method":"public/test"}`, "1", 11050, "jsonrpc"},
		{"other version", `{"jsonrpc":"1.0","id":1,"method":"public/test"}`, "1", 11050, "jsonrpc"},
		{"no method", `{"jsonrpc":"2.0","id":1}`, "1", 11050, "method"},
		{"method a number", `{"jsonrpc":"2.0","id":1,"method":5}`, "1", 11050, "method"},
		{"unknown method", `{"jsonrpc":"2.0","id":1,"method":"public/nothing"}`, "1", -32601, ""},
		{"documented, not played", `{"jsonrpc":"2.0","id":1,"method":"public/get_combos"}`, "1", 10033, ""},
		{"private and not played", `{"jsonrpc":"2.0","id":1,"method":"private/get_combos"}`, "1", -32601, ""},
		{"leading slash", `{"jsonrpc":"2.0","id":1,"method":"/public/test"}`, "1", -32601, ""},
		{"positional params", `{"jsonrpc":"2.0","id":1,"method":"public/test","params":[]}`, "1", -32602, "params"},
		{"params a string", `{"jsonrpc":"2.0","id":1,"method":"public/test","params":"x"}`, "1", -32602, "params"},
		{"params missing", `{"jsonrpc":"2.0","id":1,"method":"public/auth"}`, "1", -32000, "grant_type"},
		{"params empty", `{"jsonrpc":"2.0","id":1,"method":"public/subscribe","params":{}}`, "1", -32000, "channels"},
		{"param missing", `{"jsonrpc":"2.0","id":1,"method":"public/hello","params":{"client_name":"x"}}`, "1", -32602, "client_version"},
		{"wrong type", `{"jsonrpc":"2.0","id":1,"method":"public/subscribe","params":{"channels":"x"}}`, "1", -32602, "channels"},
		{"wrong element", `{"jsonrpc":"2.0","id":1,"method":"public/subscribe","params":{"channels":[1]}}`, "1", -32602, "channels"},
		{"wrong value", `{"jsonrpc":"2.0","id":1,"method":"public/test","params":{"expected_result":"x"}}`, "1", -32602, "expected_result"},
		{"private without authority", `{"jsonrpc":"2.0","id":1,"method":"private/get_access_log"}`, "1", 13009, ""},
		{"access token of the wrong type", `{"jsonrpc":"2.0","id":1,"method":"private/get_access_log","params":{"access_token":5}}`, "1", -32602, "access_token"},
		{"empty access token", `{"jsonrpc":"2.0","id":1,"method":"private/get_access_log","params":{"access_token":""}}`, "1", 13009, ""},
		{"exception asked for", `{"jsonrpc":"2.0","id":1,"method":"public/test","params":{"expected_result":"exception"}}`, "1", 10001, ""},
		{"too large", `{"jsonrpc":"2.0","id":1,"method":"public/test","params":{"x":"` + strings.Repeat("x", 32<<10) + `"}}`, "", -32600, ""},
		{"10 MB", strings.Repeat("x", 10<<20), "", -32600, ""},
	} {
		c.send(tt.text)
		a := c.must()
		if a.code() != tt.code || string(a.ID) != tt.id {
			t.Errorf("%s: code %d, id %q; want %d, %q", tt.name, a.code(), a.ID, tt.code, tt.id)
			continue
		}
		if a.Error.Data.Param != tt.param {
			t.Errorf("%s: about %q, want %q", tt.name, a.Error.Data.Param, tt.param)
		}
	}
	if code := c.call("public/test", nil).code(); code != 0 {
		t.Errorf("after all that: code %d", code)
	}
}

func TestLimitIsExact(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	c := dial(t, s)
	const head, tail = `{"jsonrpc":"2.0","id":"a","method":"public/test","params":{"x":"`, `"}}`
	fill := strings.Repeat("x", 32<<10-len(head)-len(tail))
	c.send(head + fill + tail)
	if a := c.must(); a.code() != 0 || string(a.ID) != `"a"` {
		t.Errorf("32 kB exactly: %+v", a)
	}
	c.send(head + fill + "x" + tail)
	if a := c.must(); a.code() != -32600 || a.Error.Message != "request entity too large" || a.ID != nil {
		t.Errorf("one byte more: %+v", a)
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	c := dial(t, s)
	for _, id := range []string{`1`, `0`, `-5`, `9007199254740993`, `"1"`, `""`, `"café"`, `"\u00e9"`} {
		before := time.Now().UnixMicro()
		c.send(`{"jsonrpc":"2.0","id":` + id + `,"method":"public/get_time"}`)
		a := c.must()
		var got, want any
		if json.Unmarshal(a.ID, &got) != nil || json.Unmarshal([]byte(id), &want) != nil || got != want {
			t.Errorf("id %s came back as %s", id, a.ID)
		}
		if a.JSONRPC != "2.0" || a.Testnet == nil || a.UsIn < before || a.UsOut < a.UsIn || a.UsDiff != a.UsOut-a.UsIn {
			t.Errorf("envelope %+v", a)
		}
		if ms := result[int64](t, a); ms < before/1000 {
			t.Errorf("get_time %d before the call", ms)
		}
	}
}

func TestSupportingMethods(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	c := dial(t, s)
	type versioned struct{ Version string }
	if got := result[versioned](t, c.call("public/test", nil)); got.Version == "" {
		t.Error("test: no version")
	}
	if got := result[versioned](t, c.call("public/hello", params{"client_name": "n", "client_version": "1"})); got.Version == "" {
		t.Error("hello: no version")
	}
	if got := result[struct{ Locked string }](t, c.call("public/status", nil)); got.Locked != "false" {
		t.Errorf("status: locked %q", got.Locked)
	}
	c.login(s.AddKey(deribittest.KeyConfig{}), "")
	locks := result[[]struct{ Currency string }](t, c.call("private/get_user_locks", nil))
	if len(locks) == 0 || locks[0].Currency != "BTC" {
		t.Errorf("user locks %+v", locks)
	}
}

func TestMaintenanceNotice(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	c := dial(t, s)
	c.call("public/test", nil)
	s.MaintenanceNotice()
	if a := c.must(); a.ID != nil || a.code() != 11051 {
		t.Errorf("notice %+v", a)
	}
	if code := c.call("public/test", nil).code(); code != 0 {
		t.Errorf("afterwards: code %d", code)
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	c := dial(t, s)
	for range 12 {
		c.login(k, "")
	}
	works(t, s, k.ClientID, "wrong")
	type entry struct {
		ID        int64
		Timestamp int64
		Log       string
	}
	for _, tt := range []struct {
		p     params
		n     int
		first string
	}{
		{params{}, 10, "failure"},
		{params{"count": 13}, 13, "failure"},
		{params{"count": 1000, "offset": 1}, 12, "success"},
		{params{"offset": 13}, 0, ""},
	} {
		got := result[[]entry](t, c.call("private/get_access_log", tt.p))
		if len(got) != tt.n || (tt.n > 0 && got[0].Log != tt.first) {
			t.Errorf("%v: %d entries %+v, want %d from %s", tt.p, len(got), got, tt.n, tt.first)
		}
		for i := 1; i < len(got); i++ {
			if got[i].ID >= got[i-1].ID {
				t.Errorf("%v: not newest first: %+v", tt.p, got)
			}
		}
	}
	for range 2_100 { // more than are kept
		c.start("public/auth", params{"grant_type": "client_credentials", "client_id": k.ClientID, "client_secret": "wrong"})
	}
	last := result[[]entry](t, c.call("private/get_access_log", params{"count": 1000}))
	if len(last) != 1000 || last[0].ID-last[999].ID != 999 || last[0].ID != 12+1+2_100 {
		t.Errorf("%d entries, ids %d to %d", len(last), last[0].ID, last[len(last)-1].ID)
	}
	for _, p := range []params{{"count": 0}, {"count": 1001}, {"offset": -1}} {
		if code := c.call("private/get_access_log", p).code(); code != -32602 {
			t.Errorf("%v: code %d, want -32602", p, code)
		}
	}
}
