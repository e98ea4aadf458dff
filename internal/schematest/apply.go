package schematest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// An override relaxes one place of the published schemas where the exchange's own examples or texts contradict them. Nothing
// else is relaxed.
type override struct {
	path     string // JSON pointer to a schema object of published.json
	shown    string // the method or channel whose published example, or other text in testdata/evidence.json, shows it
	why      string
	admit    string // a schema that is admitted beside the published one, if any
	optional fields // fields that need not be there
}

// apply changes the document in place.
func (o override) apply(doc map[string]any) error {
	schema, err := find(doc, o.path)
	if err != nil {
		return fmt.Errorf("schematest: override of %s: %w", o.path, err)
	}
	for _, name := range o.optional {
		required, _ := schema["required"].([]any)
		rest := slices.DeleteFunc(slices.Clone(required), func(r any) bool { return r == name })
		if len(rest) == len(required) {
			return fmt.Errorf("schematest: override of %s: %s is not required", o.path, name)
		}
		schema["required"] = rest
	}
	if o.admit == "" {
		return nil
	}
	alternative, err := jsonschema.UnmarshalJSON(strings.NewReader(o.admit))
	if err != nil {
		return fmt.Errorf("schematest: override of %s: %w", o.path, err)
	}
	original := make(map[string]any, len(schema))
	for key, value := range schema {
		original[key] = value
		delete(schema, key)
	}
	schema["anyOf"] = []any{original, alternative}
	return nil
}

// find follows a JSON pointer to a schema object.
func find(doc map[string]any, path string) (map[string]any, error) {
	var at any = doc
	for token := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		object, ok := at.(map[string]any)
		if !ok {
			return nil, errors.New("no such place")
		}
		at = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
	}
	object, ok := at.(map[string]any)
	if !ok {
		return nil, errors.New("no schema there")
	}
	return object, nil
}
