package schematest

import (
	"encoding/json"
	"errors"
)

// Sent judges one frame that a server sent, and reports each violation once per method and path with tb.Errorf. It is meant
// for the server's hook. Conn is 0 for REST; method is what a reply answers. Data is only read, and not kept.
func (v *Validator) Sent(conn uint64, method string, data []byte) {
	v.tb.Helper()
	for _, broken := range v.judgeFrame(conn, method, data) {
		if v.first(broken.subject, broken.path) {
			v.tb.Errorf("%s: %s: %s", broken.subject, broken.path, broken.why)
		}
	}
}

// A finding is a violation with what it was found in.
type finding struct {
	subject string
	violation
}

// judgeFrame decides by its content what a frame is, and judges it.
func (v *Validator) judgeFrame(conn uint64, method string, data []byte) []finding {
	var head struct {
		ID     json.RawMessage
		Method *string
		Error  json.RawMessage
	}
	err := json.Unmarshal(data, &head)
	switch {
	case err != nil:
		err = violations{subject: method, list: []violation{{"", "no JSON object: " + err.Error()}}}
	case conn == 0:
		err = v.RESTReply(method, data)
	case head.Method != nil:
		err = v.Notification(data)
	case head.ID == nil && head.Error != nil:
		err = v.ConnectionError(data)
	default:
		err = v.Reply(method, data)
	}
	if err == nil {
		return nil
	}
	broken, ok := errors.AsType[violations](err)
	if !ok {
		return []finding{{method, violation{"", err.Error()}}}
	}
	findings := make([]finding, len(broken.list))
	for i, b := range broken.list {
		findings[i] = finding{broken.subject, b}
	}
	return findings
}

// first tells whether a violation is the first of its method and path.
func (v *Validator) first(subject, path string) bool {
	key := subject + " " + path
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reported[key] {
		return false
	}
	v.reported[key] = true
	return true
}
