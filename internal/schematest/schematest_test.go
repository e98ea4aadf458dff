package schematest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/schematest"
)

// frames are whole frames as documented or captured, by kind and by method, error or channel.
func frames(tb testing.TB) map[string]map[string]json.RawMessage {
	tb.Helper()
	var f map[string]map[string]json.RawMessage
	read(tb, "testdata/frames.json", &f)
	return f
}

func TestGoodFramesPass(t *testing.T) {
	t.Parallel()
	v := schematest.Load(t)
	f := frames(t)
	judges := map[string]func(name string, frame []byte) error{
		"replies":           v.Reply,
		"errors":            v.Reply,
		"rest":              v.RESTReply,
		"connection_errors": func(_ string, frame []byte) error { return v.ConnectionError(frame) },
		"notifications":     func(_ string, frame []byte) error { return v.Notification(frame) },
	}
	for kind, judge := range judges {
		if len(f[kind]) == 0 {
			t.Errorf("no %s", kind)
		}
		for name, frame := range f[kind] {
			if err := judge(name, frame); err != nil {
				t.Errorf("%s %s: %v", kind, name, err)
			}
		}
	}
	seen := v.Seen()
	for _, want := range []string{"private/reset_api_key", "book.(instrument_name).(interval)", "user.orders.(instrument_name).raw", "heartbeat"} {
		if seen[want] == 0 {
			t.Errorf("%s was not counted: %v", want, seen)
		}
	}
}

func TestReplyNamesEachViolation(t *testing.T) {
	t.Parallel()
	v := schematest.Load(t)
	f := frames(t)
	reset := string(f["replies"]["private/reset_api_key"])
	auth := string(f["replies"]["public/auth"])
	refusal := string(f["errors"]["bad_request"])
	for _, c := range []struct {
		name, method, frame string
		old, new            string // what is changed in the good frame
		path                string // where the violation is
	}{
		{"a required field is missing", "private/reset_api_key", reset, `"client_secret"`, `"clientSecret"`, "/result"},
		{"a number is a string", "private/reset_api_key", reset, `"timestamp": 1560242482758`, `"timestamp": "1560242482758"`, "/result/timestamp"},
		{"a scope is a number", "private/reset_api_key", reset, `"max_scope": "account:read_write block_trade:read trade:read_write wallet:read_write"`, `"max_scope": 1`, "/result/max_scope"},
		{"a value is not in its enumeration", "public/auth", auth, `"token_type": "bearer"`, `"token_type": "Basic"`, "/result/token_type"},
		{"a result where a list is due", "private/list_api_keys", reset, `x`, `x`, "/result"},
		{"a result of a method that is unknown", "private/reset_apikey", reset, `x`, `x`, "/result"},
		{"no version", "private/reset_api_key", reset, `"jsonrpc": "2.0", `, ``, ""},
		{"another version", "private/reset_api_key", reset, `"jsonrpc": "2.0"`, `"jsonrpc": 2`, "/jsonrpc"},
		{"no id", "private/reset_api_key", reset, `"id": 2453, `, ``, ""},
		{"an id of null", "private/reset_api_key", reset, `"id": 2453`, `"id": null`, "/id"},
		{"no time of arrival", "private/reset_api_key", reset, `"usIn"`, `"us_in"`, ""},
		{"a time that is a string", "private/reset_api_key", reset, `"usOut": 1535043730126250`, `"usOut": "1535043730126250"`, "/usOut"},
		{"a difference that is no integer", "private/reset_api_key", reset, `"usDiff": 2`, `"usDiff": 2.5`, "/usDiff"},
		{"testnet that is a string", "private/reset_api_key", reset, `"testnet": false`, `"testnet": "false"`, "/testnet"},
		{"neither result nor error", "private/reset_api_key", reset, `"result"`, `"results"`, ""},
		{"result and error", "public/auth", refusal, `"error"`, `"result": "ok", "error"`, ""},
		{"a method in a reply", "public/auth", refusal, `"id"`, `"method": "public/auth", "id"`, "/method"},
		{"an error that is a string", "public/auth", refusal, `{"code": 11050, "message": "bad_request"}`, `"bad_request"`, "/error"},
		{"an error without code", "public/auth", refusal, `"code": 11050, `, ``, "/error"},
		{"a code that is a string", "public/auth", refusal, `"code": 11050`, `"code": "11050"`, "/error/code"},
		{"an error without message", "public/auth", refusal, `"message"`, `"reason"`, "/error"},
		{"an incomplete challenge", "private/create_api_key", string(f["replies"]["private/create_api_key"]), `"rp_id"`, `"rp"`, "/result"},
		{"no JSON", "public/auth", `{`, `x`, `x`, ""},
		{"no object", "public/auth", `[]`, `x`, `x`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			frame := strings.ReplaceAll(c.frame, c.old, c.new)
			if frame == c.frame && c.old != "x" {
				t.Fatalf("%s is not in the frame", c.old)
			}
			mustName(t, v.Reply(c.method, []byte(frame)), c.method, c.path)
		})
	}
}

func TestNotificationNamesEachViolation(t *testing.T) {
	t.Parallel()
	v := schematest.Load(t)
	f := frames(t)["notifications"]
	const book, trades, orders = "book.(instrument_name).(interval)", "trades.(instrument_name).(interval)", "user.orders.(instrument_name).raw"
	for _, c := range []struct {
		name, frame       string
		old, new          string
		subject, violated string
	}{
		{"a change id is a string", book + " [repeated]", `"change_id": 297218`, `"change_id": "297218"`, book, "/params/data/change_id"},
		{"a book without bids", book + " [repeated]", `"bids"`, `"buys"`, book, "/params/data"},
		{"a level that is an object", book + " [first]", `["new", 5042.34, 30]`, `{"price": 1}`, book, "/params/data/bids/*"},
		{"a trade that is not in a list", trades + " [repeated]", `"trade_seq": 30289442`, `"trade_seq": "30289442"`, trades, "/params/data/*/trade_seq"},
		{"a direction that is not in its enumeration", orders + " [repeated]", `"direction": "buy"`, `"direction": "long"`, orders, "/params/data/direction"},
		{"an id", book + " [first]", `"jsonrpc"`, `"id": 1, "jsonrpc"`, "notification", "/id"},
		{"another method", book + " [first]", `"method": "subscription"`, `"method": "notification"`, "notification", "/method"},
		{"no channel", book + " [first]", `"channel"`, `"topic"`, "notification", "/params"},
		{"a heartbeat of an unknown type", "heartbeat", `"type": "heartbeat"`, `"type": "ping"`, "heartbeat", "/params/type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			good := string(f[c.frame])
			frame := strings.Replace(good, c.old, c.new, 1)
			if frame == good {
				t.Fatalf("%s is not in %s", c.old, good)
			}
			mustName(t, v.Notification([]byte(frame)), c.subject, c.violated)
		})
	}
}

func mustName(t *testing.T, err error, subject, path string) {
	t.Helper()
	if err == nil {
		t.Fatal("the violation passed")
	}
	if !strings.Contains(err.Error(), "schematest: "+subject+":") || !strings.Contains(err.Error(), " "+path+": ") {
		t.Errorf("%v: want %s at %q", err, subject, path)
	}
}

func TestUnknownPropertiesAndChannelsPass(t *testing.T) {
	t.Parallel()
	v := schematest.Load(t)
	reply := strings.Replace(string(frames(t)["replies"]["public/hello"]), `"version"`, `"added_since": 1, "version"`, 1)
	if err := v.Reply("public/hello", []byte(reply)); err != nil {
		t.Error(err)
	}
	creation := `{"jsonrpc":"2.0","method":"subscription","params":{"channel":"instrument.creation.any.any","data":[]}}`
	if err := v.Notification([]byte(creation)); err != nil {
		t.Error(err)
	}
	if n := v.Seen()["instrument.creation.any.any"]; n != 0 {
		t.Errorf("a channel without a schema counted %d times", n)
	}
}

// A recorder keeps what a Validator reports.
type recorder struct {
	testing.TB

	mu       sync.Mutex // protects reported
	reported []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reported = append(r.reported, fmt.Sprintf(format, args...))
}

func TestSentReportsEachViolationOnce(t *testing.T) {
	t.Parallel()
	tb := &recorder{TB: t}
	v := schematest.Load(tb)
	const us = `"usIn":1,"usOut":2,"usDiff":1,"testnet":true`
	for range 3 {
		v.Sent(1, "private/get_user_locks", []byte(`{"jsonrpc":"2.0","id":1,"result":[{"currency":"BTC"},{"currency":1},{"currency":2}],`+us+`}`))
		v.Sent(1, "public/get_time", []byte(`{"jsonrpc":"2.0","result":1,`+us+`}`))
		v.Sent(0, "public/get_time", []byte(`{"jsonrpc":"2.0","result":1,`+us+`}`))
		v.Sent(1, "", []byte(`{"jsonrpc":"2.0","error":{"code":-32600,"message":"request entity too large"}}`))
		v.Sent(1, "platform_state", []byte(`{"jsonrpc":"2.0","method":"subscription","params":{"channel":"platform_state","data":{"maintenance":true}}}`))
		v.Sent(1, "public/test", []byte(`not JSON`))
	}
	want := []string{"private/get_user_locks: /result/*/currency: ", "public/get_time: : missing property 'id'", "public/test: : no JSON object"}
	slices.Sort(tb.reported)
	if len(tb.reported) != len(want) {
		t.Fatalf("reported %q, want %q", tb.reported, want)
	}
	for i, prefix := range want {
		if !strings.HasPrefix(tb.reported[i], prefix) {
			t.Errorf("reported %q, want %q", tb.reported[i], prefix)
		}
	}
	if n := v.Seen()["public/get_time"]; n != 3 {
		t.Errorf("public/get_time counted %d times, want the 3 over REST", n)
	}
}

func TestSentIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	v := schematest.Load(t)
	reply := frames(t)["replies"]["public/hello"]
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				v.Sent(1, "public/hello", reply)
			}
		})
	}
	wg.Wait()
	if n := v.Seen()["public/hello"]; n != 400 {
		t.Errorf("counted %d, want 400", n)
	}
}

// FuzzFrame: whatever a server writes, judging it ends, and only a JSON object of the protocol passes.
func FuzzFrame(f *testing.F) {
	for _, kind := range frames(f) {
		for name, frame := range kind {
			f.Add(name, []byte(frame))
		}
	}
	f.Fuzz(func(t *testing.T, method string, frame []byte) {
		v := schematest.Load(t)
		passed := v.Reply(method, frame) == nil || v.Notification(frame) == nil || v.ConnectionError(frame) == nil
		var object map[string]json.RawMessage // numbers may be longer than any type of Go
		var version string
		err := json.Unmarshal(frame, &object)
		if err == nil {
			err = json.Unmarshal(object["jsonrpc"], &version)
		}
		if passed && (err != nil || version != "2.0") {
			t.Errorf("%s passed: %v", frame, err)
		}
	})
}
