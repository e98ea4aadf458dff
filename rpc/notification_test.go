package rpc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/rpc"
)

func TestMember(t *testing.T) {
	t.Parallel()
	const many = `"a":1,"b":2,"c":3,"d":4,"e":5`
	for _, tt := range []struct{ name, params, member, want string }{
		{"first", `{"channel":"c","data":{"a":1}}`, "channel", `"c"`},
		{"second", `{"channel":"c","data":{"a":1}}`, "data", `{"a":1}`},
		{"none of that name", `{"channel":"c","data":1}`, "dat", ""},
		{"deeper", `{"a":{"b":1}}`, "b", ""},
		{"one of many", `{` + many + `}`, "e", "5"},
		{"none of many", `{` + many + `}`, "f", ""},
		{"empty name", `{"":1}`, "", "1"},
		{"with escapes", `{"\u0061b":1,"c":2}`, "ab", "1"},
		{"with escapes, of many", `{` + many + `,"\u0066":6}`, "f", "6"},
		{"spaces", " { \"a\" : 1 ,\n\"b\" : [ 2 ] } ", "b", "[ 2 ]"},
		{"empty object", `{}`, "a", ""},
		{"array", `["a"]`, "a", ""},
		{"null", `null`, "a", ""},
	} {
		scanned, err := rpc.ParseNotification([]byte(`{"method":"m","params":` + tt.params + `}`))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		for _, n := range []rpc.Notification{scanned, {Params: []byte(tt.params)}} {
			if got := n.Member(tt.member); string(got) != tt.want || (got == nil) != (tt.want == "") {
				t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
		}
	}
}

func TestMemberOfBrokenParams(t *testing.T) {
	t.Parallel()
	for _, params := range []string{``, `{`, `{"a`, `{"a"`, `{"a":`, `{"a":}`, `{"b":1`, `{"b":1,`, `{"b":[,"a":1}`, `{"b":{]`} {
		n := rpc.Notification{Params: []byte(params)}
		if got := n.Member("a"); got != nil {
			t.Errorf("%s has %q", params, got)
		}
	}
}

// FuzzMember compares what is remembered of params, and what is found in them later, with encoding/json.
func FuzzMember(f *testing.F) {
	f.Add([]byte(`{"channel":"book.BTC-PERPETUAL.raw","data":{"bids":[["new",1.0,2]]}}`), "data")
	f.Add([]byte(`{"a":1,"\u0061":2,"a":3,"b":null,"c":[],"d":"\""}`), "a")
	f.Add([]byte(`{"a":1,"b":2,"c":3,"d":4}`), "d")
	f.Add([]byte(`[]`), "")
	f.Fuzz(func(t *testing.T, params []byte, name string) {
		later := rpc.Notification{Params: params}
		got := later.Member(name)
		if !bytes.Contains(params, got) {
			t.Fatalf("%q is not of %q", got, params)
		}
		if !json.Valid(params) || !utf8.Valid(params) || depthOf(params) >= maxDepth { // encoding/json replaces invalid UTF-8
			return
		}
		var want []string
		if members, err := membersOf(params); err == nil { // else it is no object
			for _, m := range members {
				if m.name == name {
					want = append(want, string(m.value))
				}
			}
		}
		scanned, err := rpc.ParseNotification(slices.Concat([]byte(`{"method":"m","params":`), params, []byte(`}`)))
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range [][]byte{got, scanned.Member(name)} {
			if got == nil && len(want) > 0 || got != nil && !slices.Contains(want, string(got)) {
				t.Fatalf("member %q of %q is %q, want one of %q", name, params, got, want)
			}
		}
	})
}

func TestNotificationAllocatesNothing(t *testing.T) {
	const text = `{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.raw","data":{"change_id":1}}}`
	frame := []byte(text)
	allocs := testing.AllocsPerRun(100, func() {
		n, err := rpc.ParseNotification(frame)
		if err != nil || len(n.Member("data")) != len(`{"change_id":1}`) || n.Member("label") != nil {
			t.Error(err, n)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per notification, want 0", allocs)
	}
}

func ExampleNotification_Member() {
	n := rpc.Notification{
		Method: []byte("subscription"),
		Params: []byte(`{"channel":"ticker.BTC-PERPETUAL.raw","data":{"last_price":64123.5}}`),
	}
	fmt.Printf("%s\n", n.Member("data"))
	// Output: {"last_price":64123.5}
}
