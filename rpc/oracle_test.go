package rpc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// FuzzEnvelope compares the scanner with encoding/json: of a frame whose blocks are emptied it must accept exactly what
// the oracle accepts, and find the same; and of a frame that is JSON the same without emptying anything.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":7,"result":{"a":[1,2]},"usIn":1,"usOut":4,"usDiff":3,"testnet":true}`,
		`{"id":"7","error":{"code":-32602,"message":"Invalid params","data":{"param":"x"}}}`,
		`{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.raw","data":{"bids":[["new",1.5e3,-0.1E+2]]}}}`,
		`{"jsonrpc":"2.0","error":{"message":"system_maintenance","code":11051}}`,
		`{"\u0069d":"\u0031","result":null,"error":null}`, "{\"method\":\"\xff\\ud800\"}", nested(maxDepth), nested(maxDepth + 1),
		` { "id" : null , "error" : { "code" : 0 , "code" : 1 , "message" : "\\" } } `,
		`{"jsonrpc":"2.0","method":"m","params":{"a":["]\"é|\\",{}],"b":[1}}}`, `{"\"":1,"\\u0069d":2,"id":3,"result":0}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		got, err := rpc.ParseEnvelope(text, maxDepth)
		if !bytes.Equal(text, before) {
			t.Fatalf("%q was changed to %q", before, text)
		}
		if json.Valid(text) {
			want, wantErr := oracle(text)
			compare(t, text, result{got, err}, result{want, wantErr})
		}
		bare, depth := skeleton(text, 0, "")
		want, wantErr := oracle(bare)
		if depth > maxDepth {
			want, wantErr = rpc.Envelope{}, errOracle
		}
		got.Params, got.Result, got.Data = emptied(got.Params, "params"), emptied(got.Result, ""), emptied(got.Data, "")
		compare(t, text, result{got, err}, result{want, wantErr})
	})
}

type result struct {
	envelope rpc.Envelope
	err      error
}

func compare(t *testing.T, text []byte, got, want result) {
	t.Helper()
	if (got.err == nil) != (want.err == nil) {
		t.Fatalf("%q: error %v, want %v", text, got.err, want.err)
	}
	got.envelope.Method = []byte(string([]rune(string(got.envelope.Method)))) // encoding/json replaces invalid UTF-8
	want.envelope.Method = []byte(string(want.envelope.Method))
	if !reflect.DeepEqual(got.envelope, want.envelope) {
		t.Fatalf("%q:\n got %+v\nwant %+v", text, got.envelope, want.envelope)
	}
}

// skeleton empties the blocks of a text that begins at some level of a frame, behind a key, and says how deep it was. A block
// is an object or an array that is not the frame, its params or its error.
func skeleton(text []byte, level int, key string) (bare []byte, deepest int) {
	deepest = level
	for i := 0; i < len(text); {
		end := i + 1
		switch c := text[i]; c {
		case '"':
			end = looseEnd(text, i)
			if level == 1 {
				key = ""
				_ = json.Unmarshal(text[i:end], &key) // what is no string is no key either
			}
		case '{', '[':
			if c == '{' && (level == 0 || level == 1 && (key == "params" || key == "error")) {
				level++
				deepest = max(deepest, level)
				break
			}
			var depth int
			end, depth = blockEnd(text, i)
			deepest = max(deepest, level+depth)
			if end > 0 {
				bare = append(bare, c, c+2)
				i = end
				continue
			}
			return append(bare, '!'), deepest
		case '}':
			level--
		}
		bare = append(bare, text[i:end]...)
		i = end
	}
	return bare, deepest
}

func emptied(value []byte, key string) []byte {
	if value == nil {
		return nil
	}
	bare, _ := skeleton(value, 1, key)
	return bare
}

// blockEnd is where the block that begins at i ends, 0 if nowhere, and how deep it is up to there.
func blockEnd(text []byte, i int) (end, deepest int) {
	for depth := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = looseEnd(text, i) - 1
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, deepest
			}
		}
	}
	return 0, deepest
}

// looseEnd is where the string that begins at i ends.
func looseEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(text)
}

var errOracle = errors.New("no envelope")

// oracle reads an envelope with encoding/json alone.
func oracle(text []byte) (rpc.Envelope, error) {
	members, err := membersOf(text)
	if err != nil || !json.Valid(text) || depthOf(text) > maxDepth {
		return rpc.Envelope{}, errOracle
	}
	seen := map[string][]byte{}
	for _, m := range members {
		if slices.Contains([]string{"id", "method", "params", "result", "error", "usIn", "usOut", "usDiff"}, m.name) {
			if seen[m.name] != nil {
				return rpc.Envelope{}, errOracle
			}
			seen[m.name] = m.value
		}
	}
	e := rpc.Envelope{
		Params: seen["params"], Result: seen["result"],
		UsIn: oracleInt(seen["usIn"]), UsOut: oracleInt(seen["usOut"]), UsDiff: oracleInt(seen["usDiff"]),
	}
	var problems [3]error
	e.ID, e.HasID, problems[0] = oracleID(seen["id"])
	e.Method, problems[1] = oracleMethod(seen["method"])
	problems[2] = oracleFailure(&e, seen["error"])
	if err := errors.Join(problems[:]...); err != nil {
		return rpc.Envelope{}, err
	}
	hasResult := e.Result != nil
	hasValue := hasResult && string(e.Result) != "null"
	switch {
	case e.Method != nil && !hasResult && !e.Failed,
		e.Method == nil && e.Failed && !hasValue,
		e.Method == nil && !e.Failed && hasResult && e.HasID:
		return e, nil
	}
	return rpc.Envelope{}, errOracle
}

type namedValue struct {
	name  string
	value json.RawMessage
}

// membersOf lists the members of an object as they stand.
func membersOf(text []byte) ([]namedValue, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errOracle
	}
	var members []namedValue
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := name.(string)
		if !ok {
			return nil, errOracle
		}
		m := namedValue{name: key}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return members, nil
}

func depthOf(text []byte) (deepest int) {
	dec := json.NewDecoder(bytes.NewReader(text))
	for depth := 0; ; deepest = max(deepest, depth) {
		token, err := dec.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

func oracleInt(value []byte) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

var canonical = regexp.MustCompile(`^(0|[1-9][0-9]{0,18})$`)

func oracleID(value []byte) (id uint64, has bool, err error) {
	if value == nil || string(value) == "null" {
		return 0, false, nil
	}
	var text string
	if value[0] != '"' {
		text = string(value)
	} else if err := json.Unmarshal(value, &text); err != nil {
		return 0, false, err
	}
	if strings.ContainsAny(string(value[:1]), "{[tf") {
		return 0, false, errOracle
	}
	if canonical.MatchString(text) {
		id, err = strconv.ParseUint(text, 10, 64)
	}
	return id, true, err
}

func oracleMethod(value []byte) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	var method *string
	if err := json.Unmarshal(value, &method); err != nil || method == nil {
		return nil, errOracle
	}
	return append([]byte{}, *method...), nil
}

func oracleFailure(e *rpc.Envelope, value []byte) error {
	if value == nil || string(value) == "null" {
		return nil
	}
	members, err := membersOf(value)
	if err != nil {
		return err
	}
	e.Failed = true
	for _, m := range members {
		switch {
		case m.name == "code" && string(m.value) != "null":
			err = json.Unmarshal(m.value, &e.Code)
		case m.name == "message" && string(m.value) != "null":
			if err = json.Unmarshal(m.value, &e.Message); len(m.value) > 64<<10 {
				e.Message = "(the message is too long)"
			}
		case m.name == "data":
			if e.Data = m.value; len(m.value) > 64<<10 {
				e.Data = nil
			}
		case m.name == "code", m.name == "message":
			err = errOracle
		}
		if err != nil {
			return err
		}
	}
	return nil
}
