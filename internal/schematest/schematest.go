// Package schematest judges what a server sends against the schemas that the exchange publishes: each reply by its envelope
// and by the result's schema of its method, each notification by its envelope and by the data's schema of its channel.
//
// The schemas in the directory schema are derived from the published documents by the command schemagen; envelope.json is
// written by hand, after the prose. Where the published examples or texts contradict the published schemas, both forms
// pass: the table overrides lists each such place. Properties that the documents do not know are allowed, because the
// documents lag behind.
package schematest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A Validator judges frames for one test. It is safe for concurrent use.
type Validator struct {
	tb      testing.TB
	schemas *schemas

	mu       sync.Mutex // protects the fields below
	seen     map[string]int
	reported map[string]bool
}

// Load returns a Validator that reports to tb. Load it before the server is started: the server's clean-up then runs first,
// and no frame comes after the end of the test.
func Load(tb testing.TB) *Validator {
	tb.Helper()
	s, err := published()
	if err != nil {
		tb.Fatal(err)
	}
	return &Validator{tb: tb, schemas: s, seen: map[string]int{}, reported: map[string]bool{}}
}

// Reply judges a reply over WebSocket to a call of method: the envelope with its id, and the result or error. The error
// names every violation by its path.
func (v *Validator) Reply(method string, frame []byte) error {
	return v.reply("reply", method, frame)
}

// RESTReply is Reply for the body of an HTTP answer, which need not have an id.
func (v *Validator) RESTReply(method string, body []byte) error {
	return v.reply("rest", method, body)
}

// ConnectionError judges an error that answers no request and therefore has no id.
func (v *Validator) ConnectionError(frame []byte) error {
	_, err := v.envelope("connection_error", "connection error", frame)
	return err
}

func (v *Validator) reply(kind, method string, frame []byte) error {
	envelope, err := v.envelope(kind, method, frame)
	if err != nil {
		return err
	}
	result, ok := envelope["result"]
	if !ok {
		return nil
	}
	schema, ok := v.schemas.methods[method]
	if !ok {
		return violations{subject: method, list: []violation{{"/result", "the documents know no reply to this method"}}}
	}
	if challenged(result) {
		schema = v.schemas.kinds["challenge"]
	}
	v.count(method)
	return judge(schema, method, "/result", result)
}

// challenged tells whether a result is the second-factor challenge that any method may answer instead of its own result.
func challenged(result any) bool {
	object, ok := result.(map[string]any)
	return ok && object["security_key_authorization_required"] != nil
}

// Notification judges a frame that answers no request: a notification of a channel, or a heartbeat. The data of a channel
// that the documents do not know passes.
func (v *Validator) Notification(frame []byte) error {
	var head struct{ Method string }
	if err := json.Unmarshal(frame, &head); err != nil {
		return violations{subject: "notification", list: []violation{{"", err.Error()}}}
	}
	if head.Method == "heartbeat" {
		_, err := v.envelope("heartbeat", "heartbeat", frame)
		if err == nil {
			v.count("heartbeat")
		}
		return err
	}
	envelope, err := v.envelope("subscription", "notification", frame)
	if err != nil {
		return err
	}
	params, _ := envelope["params"].(map[string]any) // its schema says so
	name, _ := params["channel"].(string)
	channel, ok := v.schemas.channel(name)
	if !ok {
		return nil
	}
	v.count(channel.pattern)
	return judge(channel.schema, channel.pattern, "/params/data", params["data"])
}

// Seen counts what was judged, by method, by channel as the documents write it (book.(instrument_name).(interval)), and
// under heartbeat. Replies that are errors do not count.
func (v *Validator) Seen() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.seen)
}

func (v *Validator) count(subject string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen[subject]++
}

// envelope judges the outer object of a frame and returns it.
func (v *Validator) envelope(kind, subject string, frame []byte) (map[string]any, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
	if err != nil {
		return nil, violations{subject: subject, list: []violation{{"", fmt.Sprintf("no JSON: %v", err)}}}
	}
	if err := judge(v.schemas.kinds[kind], subject, "", value); err != nil {
		return nil, err
	}
	object, _ := value.(map[string]any) // the schema of every kind says so
	return object, nil
}
