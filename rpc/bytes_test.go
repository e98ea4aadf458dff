package rpc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// TestEveryByteEverywhere puts each byte into each place of values that the scanner walks through byte by byte or eight at
// a time, and asks encoding/json which of them are JSON.
func TestEveryByteEverywhere(t *testing.T) {
	t.Parallel()
	values := []string{
		`"@"`, `"\n@"`, `"\u00@0"`, `"\u@000"`, `"\u000@"`, `"\@"`, `"\u00@`, `"\@`, `"@`,
		`1@`, `-@`, `0@`, `1.@`, `1.5@`, `1e@`, `1e+@`, `1e5@`, `@`, `tru@`, `true@`, `nul@`, `fals@`,
	}
	for n := range 20 {
		values = append(values, `"`+strings.Repeat("x", n)+`@`+strings.Repeat("y", 3)+`"`)
	}
	for _, value := range values {
		for _, tail := range []string{`}`, `   }`, `,"a b":"c d"}`, ``, `,"a`, `,"a"`} {
			for b := range 256 {
				frame := `{"id":1,"result":` + strings.ReplaceAll(value, "@", string([]byte{byte(b)})) + tail
				_, err := rpc.ParseEnvelope([]byte(frame), 64)
				if want := json.Valid([]byte(frame)); (err == nil) != want {
					t.Errorf("%q: %v; JSON: %t", frame, err, want)
				}
			}
		}
	}
}
