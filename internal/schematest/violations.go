package schematest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// violations is the error of a frame that breaks its schema.
type violations struct {
	subject string
	list    []violation
}

// A violation is one broken rule. Path is a JSON pointer in which * stands for any index.
type violation struct{ path, why string }

func (e violations) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "schematest: %s:", e.subject)
	for i, v := range e.list {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, " %s: %s", v.path, v.why)
	}
	return b.String()
}

// judge validates a value found at path.
func judge(schema *jsonschema.Schema, subject, path string, value any) error {
	err := schema.Validate(value)
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return fmt.Errorf("schematest: %s: %w", subject, err)
	}
	return violations{subject: subject, list: leaves(invalid, path, nil)}
}

// leaves lists the causes that have no cause themselves.
func leaves(e *jsonschema.ValidationError, path string, list []violation) []violation {
	if len(e.Causes) == 0 {
		_, why, _ := strings.Cut(e.Error(), ": ")
		return append(list, violation{path + pointer(e.InstanceLocation), why})
	}
	for _, cause := range e.Causes {
		list = leaves(cause, path, list)
	}
	return list
}

func pointer(location []string) string {
	var b strings.Builder
	for _, token := range location {
		if _, err := strconv.Atoi(token); err == nil {
			token = "*"
		}
		b.WriteString("/" + token)
	}
	return b.String()
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
