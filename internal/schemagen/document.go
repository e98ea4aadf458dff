package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// dialect is the JSON Schema draft of the derived schemas.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// A section maps the names of methods, channels or definitions to their schemas or examples.
type section map[string]any

// A document is what one file holds: sections by name.
type document map[string]section

// encode writes a document sorted, one entry a line, so that a change of one method shows as a change of one line.
// A document of schemas names its dialect.
func (d document) encode() []byte {
	var b bytes.Buffer
	b.WriteString("{\n")
	if _, ok := d["$defs"]; ok {
		fmt.Fprintf(&b, "\"$schema\": %q,\n", dialect)
	}
	for i, name := range slices.Sorted(maps.Keys(d)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "%q: {\n", name)
		d[name].encode(&b)
		b.WriteString("\n}")
	}
	b.WriteString("\n}\n")
	return b.Bytes()
}

func (s section) encode(b *bytes.Buffer) {
	for i, name := range slices.Sorted(maps.Keys(s)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(b, "%q: %s", name, compact(s[name]))
	}
}

// compact encodes a value that came out of a JSON decoder, which therefore cannot fail.
func compact(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}
