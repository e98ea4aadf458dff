package schematest

import (
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
