package deribittest

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"
)

// Recorder keeps the WebSocket frames of a server in memory, for a [Replay] to play them. Its Record is for Config.OnFrame:
//
//	var recorder deribittest.Recorder
//	s, err := deribittest.New(deribittest.Config{OnFrame: recorder.Record})
//	...
//	_, err = recorder.WriteTo(file)
//
// The zero value is ready for use, by any goroutine. No secret enters it: the texts of members whose names speak of secrets,
// tokens, signatures, challenges and authorization are replaced as they come, at any depth, and what is no JSON is left out.
// Client ids, orders and amounts stay.
type Recorder struct {
	mu    sync.Mutex // protects what follows
	begun time.Time
	lines bytes.Buffer
}

// recorded is one line of a recording.
type recorded struct {
	Micros int64           `json:"us"` // since the first frame
	Conn   uint64          `json:"conn"`
	In     bool            `json:"in,omitempty"` // the client sent it
	Method string          `json:"method,omitempty"`
	Frame  json.RawMessage `json:"frame,omitempty"`
}

// Record keeps a frame. Those of REST it leaves out.
func (r *Recorder) Record(f Frame) {
	if f.Conn == 0 {
		return
	}
	line := recorded{Conn: f.Conn, In: f.Incoming, Method: f.Method}
	if frame, err := rewriteFrame(f.Data, redact); err == nil {
		line.Frame = frame
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.begun.IsZero() {
		r.begun = now
	}
	line.Micros = now.Sub(r.begun).Microseconds()
	r.lines.Write(encode(line))
	r.lines.WriteByte('\n')
}

// WriteTo writes the recording so far, as JSON Lines in UTF-8: a JSON object for each frame, in order. It implements [io.WriterTo].
func (r *Recorder) WriteTo(w io.Writer) (int64, error) {
	r.mu.Lock()
	text := bytes.Clone(r.lines.Bytes())
	r.mu.Unlock()
	n, err := w.Write(text)
	return int64(n), err
}

const redacted = `"REDACTED"`

// redact replaces what a member of a secret's name holds. Numbers and truth values are no secrets.
func redact(name string, value json.RawMessage) json.RawMessage {
	if name == "token_type" || value[0] != '"' && value[0] != '{' && value[0] != '[' {
		return nil
	}
	for _, word := range [...]string{"secret", "token", "signature", "challenge", "authorization", "password"} {
		if strings.Contains(strings.ToLower(name), word) {
			return json.RawMessage(redacted)
		}
	}
	return nil
}
