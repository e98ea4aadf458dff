package rpc_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

const maxDepth = 16

func TestEnvelope(t *testing.T) {
	t.Parallel()
	raw := func(s string) []byte { return []byte(s) }
	for name, tt := range map[string]struct {
		text string
		want rpc.Envelope
	}{
		"result": {
			`{"jsonrpc":"2.0","id":7,"result":{"a":[1,2]},"usIn":1,"usOut":4,"usDiff":3,"testnet":true}`,
			rpc.Envelope{ID: 7, HasID: true, Result: raw(`{"a":[1,2]}`), UsIn: 1, UsOut: 4, UsDiff: 3},
		},
		"any order, any space": {
			"\t{ \"result\" :\r\n [ ] , \"id\" : 7 } ",
			rpc.Envelope{ID: 7, HasID: true, Result: raw(`[ ]`)},
		},
		"null result":           {`{"id":7,"result":null}`, rpc.Envelope{ID: 7, HasID: true, Result: raw(`null`)}},
		"null error":            {`{"id":7,"result":0,"error":null}`, rpc.Envelope{ID: 7, HasID: true, Result: raw(`0`)}},
		"id as string":          {`{"id":"7","result":0}`, rpc.Envelope{ID: 7, HasID: true, Result: raw(`0`)}},
		"id of another form":    {`{"id":"abc","result":0}`, rpc.Envelope{HasID: true, Result: raw(`0`)}},
		"id with leading zeros": {`{"id":"007","result":0}`, rpc.Envelope{HasID: true, Result: raw(`0`)}},
		"negative id":           {`{"id":-7,"result":0}`, rpc.Envelope{HasID: true, Result: raw(`0`)}},
		"id beyond 64 bits":     {`{"id":18446744073709551623,"result":0}`, rpc.Envelope{HasID: true, Result: raw(`0`)}},
		"escaped keys":          {`{"\u0069d":7,"r\u0065sult":0}`, rpc.Envelope{ID: 7, HasID: true, Result: raw(`0`)}},
		"other case is another": {`{"ID":8,"id":7,"Result":1,"result":0}`, rpc.Envelope{ID: 7, HasID: true, Result: raw(`0`)}},
		"unknown keys twice":    {`{"x":8,"id":7,"x":9,"result":0}`, rpc.Envelope{ID: 7, HasID: true, Result: raw(`0`)}},
		"timing of wrong type":  {`{"id":7,"result":0,"usIn":"x","usOut":9223372036854775808,"usDiff":1.5}`, rpc.Envelope{ID: 7, HasID: true, Result: raw(`0`)}},
		"invalid UTF-8":         {"{\"id\":7,\"result\":\"\xff\"}", rpc.Envelope{ID: 7, HasID: true, Result: raw("\"\xff\"")}},
		"error": {
			`{"id":7,"error":{"code":-32602,"message":"Invalid \"params\"","data":{"param":"x"}}}`,
			rpc.Envelope{
				ID: 7, HasID: true, Failed: true, Code: -32602, Message: `Invalid "params"`, Data: raw(`{"param":"x"}`),
			},
		},
		"error and null result": {
			`{"id":7,"result":null,"error":{"code":1,"message":"m"}}`,
			rpc.Envelope{ID: 7, HasID: true, Failed: true, Code: 1, Message: "m", Result: raw(`null`)},
		},
		"error without id": {
			`{"jsonrpc":"2.0","error":{"message":"system_maintenance","code":11051}}`,
			rpc.Envelope{Failed: true, Code: 11051, Message: "system_maintenance"},
		},
		"error with null id": {`{"id":null,"error":{}}`, rpc.Envelope{Failed: true}},
		"notification": {
			`{"jsonrpc":"2.0","method":"subscription","params":{"channel":"x"}}`,
			rpc.Envelope{Method: raw(`subscription`), Params: raw(`{"channel":"x"}`)},
		},
		"notification with escapes": {`{"method":"\u0061b"}`, rpc.Envelope{Method: raw(`ab`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := rpc.ParseEnvelope([]byte(tt.text), maxDepth)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s\n got %+v, %v\nwant %+v", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestNoEnvelope(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, ` `, `x`, `1`, `null`, `"id"`, `[]`, `[{"id":7,"result":0}]`, `{`, `{}`, `{"id":7}`, `{"id":7,"error":null}`,
		`{"result":0}`, `{"id":null,"result":0}`, `{"id":7,"result":0}x`, `{"id":7,"result":0}{}`, "{\"id\":7,\"result\":0}\x00",
		`{"id":7,"result":0,}`, `{"id":7,,"result":0}`, `{,"id":7,"result":0}`, `{"id" 7,"result":0}`, `{"id":7,"result" 0}`, `{"id":7,"result"}`, `{"id":7,"result"0:0}`, `{id:7,"result":0}`,
		`{"id":7,"result":}`,
		`{"id":7,"result":[1}`, `{"id":7,"result":{"a":[1}}`, `{"id":7,"result":["]}`, `{"id":7,"result":["\"]}`, `{"id":7,"result":[1]]}`,
		`{"method":"m","params":{a:1}}`, `{"method":"m","params":{"a" 1}}`, `{"method":"m","params":{"a":1 "b":2}}`, `{"method":"m","params":{"a":}}`,
		`{"method":"m","params":{"a":1,}}`, `{"method":"m","params":{"a":01}}`, `{"method":"m","params":{"a":tru}}`, `{"method":"m","params":{"a":"\x"}}`,
		`{"id":7,"error":{"code":}}`, `{"id":7,"error":{"code":1`, `{"id":7,"error":{code:1}}`, `{"id":7,"error":nil}`,
		`{"id":7,"result":tru}`, `{"id":7,"result":nul}`, `{"id":7,"result":falsey}`, `{"id":7,"result":01}`, `{"id":7,"result":-}`,
		`{"id":7,"result":1.}`, `{"id":7,"result":.1}`, `{"id":7,"result":1e}`, `{"id":7,"result":+1}`, `{"id":7,"result":0x1}`,
		`{"id":7,"result":"}`, `{"id":7,"result":"\x"}`, `{"id":7,"result":"\u12g4"}`, `{"id":7,"result":"\u123`, `{"id":7,"result":"\`,
		`{"id":{},"result":0}`, `{"id":true,"result":0}`, `{"id":7,"id":7,"result":0}`, `{"id":7,"result":0,"r\u0065sult":1}`,
		`{"id":7,"error":"no"}`, `{"id":7,"error":[]}`, `{"id":7,"error":{"code":"1"}}`, `{"id":7,"error":{"code":1.5}}`,
		`{"id":7,"error":{"code":9223372036854775808}}`, `{"id":7,"error":{"message":1}}`, `{"id":7,"error":{"code":1},"result":0}`,
		`{"method":7}`, `{"method":"m","result":0}`, `{"method":"m","error":{}}`,
		nested(maxDepth + 1), strings.Repeat("[", 10_000), strings.Repeat(`{"a":`, 10_000),
	} {
		if got, err := rpc.ParseEnvelope([]byte(text), maxDepth); err == nil {
			t.Errorf("%.60q was taken for %+v", text, got)
		} else if len(text) > 3 && strings.Contains(err.Error(), text) {
			t.Errorf("error %q quotes the frame", err)
		}
	}
}

// nested is an answer with so many levels of nesting.
func nested(levels int) string {
	return `{"id":7,"result":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
}

// TestStrings puts every byte, and escapes, into every place of a string.
func TestStrings(t *testing.T) {
	t.Parallel()
	var parts []string
	for b := range 256 {
		parts = append(parts, string([]byte{byte(b)}))
	}
	parts = append(parts, `\"`, `\\`, `\\\"`, `\n`, `\u00e9`, `\uD83D\uDE00`, `\x`, `\u00g0`, `\u12`, "\u00e9", "\u06db")
	for _, part := range parts {
		for at := range 20 {
			value := `"` + strings.Repeat("x", at) + part + strings.Repeat("y", 19-at) + `"`
			text := `{"id":7,"result":` + value + `,"usDiff":3}`
			got, err := rpc.ParseEnvelope([]byte(text), maxDepth)
			switch isString := json.Valid([]byte(value)); {
			case (err == nil) != isString:
				t.Errorf("%q at %d: error %v", part, at, err)
			case isString && (string(got.Result) != value || got.UsDiff != 3):
				t.Errorf("%q at %d: got %q", part, at, got.Result)
			}
		}
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		depth int
	}{
		{`{"id":7,"result":0}`, 1},
		{`{"id":7,"result":[]}`, 2},
		{`{"jsonrpc":"2.0","id":7,"result":[]}`, 2},
		{`{"id":7,"result":[0,0],"usDiff":3}`, 2},
		{`{"method":"m","params":{}}`, 2},
		{`{"method":"m","params":{"a":{}}}`, 3},
		{`{"method":"m","params":{},"x":[[]]}`, 3},
		{`{"id":7,"result":[[],[[]],[]],"x":[]}`, 4},
		{`{"id":7,"error":{"data":[[]]},"x":[[[]]]}`, 4},
		{`{"id":7,"result":["[[[[[",{"]]]]":[]}]}`, 4},
		{`{"id":7,"result":["\"[[[[[",{"]]]\"]":[]}]}`, 4},
		{`{"id":7,"result":["\"",[[[[]]]],[[]],0,0,0,0,0,0,0,0,0]}`, 6},
		{nested(maxDepth), maxDepth},
		{nested(10_000), 10_000},
	} {
		if _, err := rpc.ParseEnvelope([]byte(tt.text), tt.depth); err != nil {
			t.Errorf("%.60s in %d levels: %v", tt.text, tt.depth, err)
		}
		if _, err := rpc.ParseEnvelope([]byte(tt.text), tt.depth-1); err == nil {
			t.Errorf("%.60s in %d levels is accepted", tt.text, tt.depth-1)
		}
	}
}

// TestWhatABlockHolds is what rpc leaves to decoders: they get it as it came, and the rest of the frame is as it would be.
func TestWhatABlockHolds(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 40)
	for _, block := range []string{
		`[1,]`, `[,1]`, `[1 2]`, `[1}`, `{a:1}`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":}`, `["\x"]`, "[\"\n\"]", `[01]`, `[\]`, `[tru]`,
		`["]"]`, `["\"]"]`, `["\\"]`, `["\\\"]"]`, `["` + long + `]"]`, `["` + long + `\"]"]`, `["` + long + `\\",{}]`, `[|]`, `[é,"é]"]`,
		`["` + long + "\u06dd\u06db" + `]¢"]`, "[\xdb,\xfd,{\"\xa2]\xdb\"}]",
		`[` + long + `{` + long + `"{{[[` + long + `"` + long + `}` + long + `]`,
	} {
		text := `{"result":` + block + `,"id":7,"usDiff":3}`
		want := rpc.Envelope{ID: 7, HasID: true, Result: []byte(block), UsDiff: 3}
		if got, err := rpc.ParseEnvelope([]byte(text), maxDepth); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v, %v\nwant %+v", text, got, err, want)
		}
	}
}

func BenchmarkEnvelope(b *testing.B) {
	levels := strings.TrimSuffix(strings.Repeat(`["new",64123.5,1200.0],`, 190), ",")
	for _, bm := range []struct{ name, text string }{
		{"frame=response", `{"jsonrpc":"2.0","id":123456,"result":{"order":{"order_id":"ETH-349249","price":207.3,"label":"market0000234",` +
			`"direction":"buy","amount":40.0,"instrument_name":"ETH-PERPETUAL","creation_timestamp":1550657341322}},` +
			`"usIn":1700000000000001,"usOut":1700000000000043,"usDiff":42,"testnet":true}`},
		{"frame=notification", `{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.raw","data":` +
			`{"type":"change","timestamp":1700000000000,"prev_change_id":297217,"instrument_name":"BTC-PERPETUAL","change_id":297218,` +
			`"bids":[["delete",5041.94,0.0],["new",5042.34,20.0],["change",5042.64,40.0]],"asks":[]}}}`},
		{"frame=snapshot", `{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.raw","data":{"bids":[` + levels + `],"asks":[` + levels + `]}}}`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			text := []byte(bm.text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rpc.ParseEnvelope(text, 64); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestLongFailure: what refuses a call outlives its frame, and is bounded.
func TestLongFailure(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 64<<10)
	e, err := rpc.ParseEnvelope([]byte(`{"id":1,"error":{"code":7,"message":"`+long+`","data":"`+long+`"}}`), maxDepth)
	if err != nil || e.Code != 7 || len(e.Message) > 100 || e.Message == "" || e.Data != nil {
		t.Errorf("a message of %d bytes, data of %d, code %d, %v", len(e.Message), len(e.Data), e.Code, err)
	}
	short := long[:len(long)-2]
	e, err = rpc.ParseEnvelope([]byte(`{"id":1,"error":{"code":7,"message":"`+short+`","data":"`+short+`"}}`), maxDepth)
	if err != nil || e.Message != short || string(e.Data) != `"`+short+`"` {
		t.Errorf("a message of %d bytes, data of %d, %v", len(e.Message), len(e.Data), err)
	}
}
