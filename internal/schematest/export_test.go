package schematest

import (
	"bytes"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Overrides lists where the schemas are relaxed, and what shows it.
func Overrides() (paths, shown []string) {
	for _, o := range overrides {
		paths, shown = append(paths, o.path), append(shown, o.shown)
	}
	return paths, shown
}

// Published returns the schema of a method's result, or else of a channel's data, with all overrides but those of one
// path.
func Published(of, without string) (*jsonschema.Schema, error) {
	kept := slices.DeleteFunc(slices.Clone(overrides), func(o override) bool { return o.path == without })
	compiler, documents, err := prepare(kept)
	if err != nil {
		return nil, err
	}
	section := "channels"
	if _, ok := documents["published.json"]["methods"].(map[string]any)[of]; ok {
		section = "methods"
	}
	return compiler.Compile("published.json#/" + section + "/" + escape(of))
}

// Judge validates a value found in a method's result or a channel's data.
func Judge(schema *jsonschema.Schema, of string, value []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return err
	}
	return judge(schema, of, "", v)
}

// Schema returns the schema by which v judges a method's result, or else the data of a channel, given by its pattern.
func (v *Validator) Schema(of string) *jsonschema.Schema {
	if s, ok := v.schemas.methods[of]; ok {
		return s
	}
	c, _ := v.schemas.channel(of)
	return c.schema
}
