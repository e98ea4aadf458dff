package wirepeer_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
)

func TestAnswersDoNotAllocate(t *testing.T) {
	client := wirepeer.NewClient()
	for _, request := range []string{
		`{"jsonrpc":"2.0","id":12345,"method":"private/buy","params":{"amount":40}}`,
		`{"method":"private/buy","params":{"a":["}",{"id":8}]},"id":"x","jsonrpc":"2.0"}`,
	} {
		msg := []byte(request)
		allocs := testing.AllocsPerRun(100, func() {
			if out, err := client.Answer(msg); err != nil || len(out) == 0 {
				t.Fatalf("%s: %q, %v", request, out, err)
			}
		})
		if allocs > 0 {
			t.Errorf("%s: %v allocations", request, allocs)
		}
	}
}

func FuzzScanRequest(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"m","params":{"id":2}}`, ` {"method":"a","params":[{"}":"]"}],"id":"x\"y\\"}`,
		`{"id":null,"method":"m"}`, `{"id":1}`, `{`, `{"`, `{"\`, `{"a":}`, `[]`, ``, `{"id":1,"method":}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		id, method, err := wirepeer.ScanRequest(bytes.Clone(msg))
		if err == nil && (len(id) == 0 || len(method) == 0) {
			t.Fatalf("%q: id %q and method %q without an error", msg, id, method)
		}
		if want, ok := request(msg); ok && utf8.Valid(msg) { // encoding/json mends what is not
			if err != nil || !bytes.Equal(id, want.id) || string(method) != want.method {
				t.Fatalf("%q: id %s, method %s, %v; want %s, %s", msg, id, method, err, want.id, want.method)
			}
		}
	})
}

type idAndMethod struct {
	id     []byte
	method string
}

// request is what encoding/json finds, if it finds one of each that is written plainly.
func request(msg []byte) (idAndMethod, bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(msg, &members) != nil || bytes.Count(msg, []byte(`\`)) > 0 {
		return idAndMethod{}, false
	}
	if bytes.Count(msg, []byte(`"id"`)) != 1 || bytes.Count(msg, []byte(`"method"`)) != 1 {
		return idAndMethod{}, false
	}
	var method string
	if json.Unmarshal(members["method"], &method) != nil || method == "" || members["id"] == nil {
		return idAndMethod{}, false
	}
	return idAndMethod{members["id"], method}, true
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("hello"), []byte{1, 2, 3, 4})
	f.Add(bytes.Repeat([]byte("x"), 126), []byte{0, 0, 0, 0})
	f.Add(bytes.Repeat([]byte("y"), 1<<16), []byte{255, 0, 255, 9})
	f.Fuzz(func(t *testing.T, payload, key []byte) {
		if len(key) != 4 {
			return
		}
		framed := wirepeer.AppendHeader(nil, 1, len(payload))
		framed[1] |= 0x80
		framed = append(framed, key...)
		for i, c := range payload {
			framed = append(framed, c^key[i&3])
		}
		got, size, whole, err := wirepeer.Frame(bytes.Clone(framed))
		if err != nil || !whole || size != len(framed) || !bytes.Equal(got, payload) {
			t.Fatalf("%d of %d bytes, %v, %v", size, len(framed), whole, err)
		}
		for cut := range min(len(framed), 20) {
			if _, need, whole, err := wirepeer.Frame(bytes.Clone(framed[:cut])); whole || err != nil || need <= cut || need > len(framed) {
				t.Fatalf("cut at %d: need %d, %v, %v", cut, need, whole, err)
			}
		}
		_, _, _, _ = wirepeer.Frame(bytes.Clone(payload)) // must not panic
	})
}
