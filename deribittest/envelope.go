package deribittest

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

// maxRequest is the largest message that the exchange takes: "32 kB".
const maxRequest = 32 << 10

const reasonRequired = "value required"

// envelope is a request as it came in. It is a map because a struct would take members whose names differ in case.
type envelope map[string]json.RawMessage

// message is a request whose envelope is sound. Params is nil or the text of an object.
type message struct {
	id     json.RawMessage
	method string
	params json.RawMessage
}

// parseMessage checks the envelope of a WebSocket request. With an error, the id is still set when it was readable, so that
// the refusal can carry it.
func parseMessage(data []byte) (message, *rpcError) {
	data = bytes.TrimSpace(data)
	if !json.Valid(data) {
		return message{}, newError(codeParse, "Parse error")
	}
	var e envelope
	if data[0] != '{' || json.Unmarshal(data, &e) != nil {
		return message{}, badRequest("request", "object expected")
	}
	var m message
	if !validID(e["id"]) {
		return m, badRequest("id", "integer or string required")
	}
	m.id = e["id"]
	if string(e["jsonrpc"]) != `"2.0"` {
		return m, badRequest("jsonrpc", "2.0 expected")
	}
	if json.Unmarshal(e["method"], &m.method) != nil || m.method == "" {
		return m, badRequest("method", reasonRequired)
	}
	params, err := paramsObject(e["params"])
	m.params = params
	return m, err
}

// validID reports whether an id is an integer or a string. Requests without id are refused.
func validID(id json.RawMessage) bool {
	if len(id) == 0 {
		return false
	}
	if id[0] == '"' {
		return true
	}
	digits := bytes.TrimPrefix(id, []byte("-"))
	return len(digits) > 0 && len(bytes.Trim(digits, "0123456789")) == 0
}

// paramsObject accepts named parameters only.
func paramsObject(params json.RawMessage) (json.RawMessage, *rpcError) {
	switch {
	case len(params) == 0, string(params) == "null":
		return nil, nil
	case params[0] != '{':
		return nil, invalidParam("params", "object expected")
	}
	return params, nil
}

// decodeParams reads the parameters of a method. Fields that the method does not know are ignored, as the exchange does.
func decodeParams[T any](params json.RawMessage) (T, *rpcError) {
	var v T
	if len(params) == 0 {
		return v, nil
	}
	err := json.Unmarshal(params, &v)
	if err == nil {
		return v, nil
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return v, invalidParam(wrong.Field, "invalid type")
	}
	return v, invalidParam("params", "invalid format")
}

// reply is what answers a request. Result and Error exclude each other.
type reply struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
	Testnet bool            `json:"testnet"`
	UsIn    int64           `json:"usIn"`
	UsOut   int64           `json:"usOut"`
	UsDiff  int64           `json:"usDiff"`
}

// encodeReply returns the text of a reply.
func encodeReply(id json.RawMessage, result any, fault *rpcError, in, out time.Time) []byte {
	r := reply{
		JSONRPC: "2.0", ID: id, Testnet: true,
		UsIn: in.UnixMicro(), UsOut: out.UnixMicro(), UsDiff: out.UnixMicro() - in.UnixMicro(),
	}
	if fault != nil {
		r.Error = fault
	} else {
		r.Result = result
	}
	text, err := json.Marshal(r)
	if err != nil { // a result of ours that JSON cannot carry: the caller still gets its one answer
		return encodeReply(id, nil, newError(codeError, "error"), in, out)
	}
	return text
}

// encodeNotification returns the text of a message on a channel. Label is that of the subscription; where it stands is not
// documented.
func encodeNotification(channel, label string, data json.RawMessage) []byte {
	text := make([]byte, 0, 96+len(channel)+len(label)+len(data))
	text = append(text, `{"jsonrpc":"2.0","method":"subscription","params":{"channel":`...)
	text = append(text, encode(channel)...)
	if label != "" {
		text = append(text, `,"label":`...)
		text = append(text, encode(label)...)
	}
	text = append(text, `,"data":`...)
	text = append(text, data...)
	return append(text, `}}`...)
}

func heartbeatFrame(kind string) []byte {
	return []byte(`{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"` + kind + `"}}`)
}

// encode returns the JSON text of a value of ours.
func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic("deribittest: encode: " + err.Error()) // a bug of ours: every such value is plain data
	}
	return text
}
