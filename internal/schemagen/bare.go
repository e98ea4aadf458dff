package main

import (
	"slices"
	"strings"
)

// A schema is one JSON schema object, as decoded.
type schema = map[string]any

// Where schemas stand that others refer to: in the published document, and in the derived one.
const (
	componentPrefix  = "#/components/schemas/"
	definitionPrefix = "#/$defs/"
)

// constraints are the keywords that judge a value; all others (description, title, example, x-…) are prose.
var constraints = []string{
	"type", "required", "enum", "const", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "pattern",
}

// bare translates one schema object of OpenAPI 3.0 into JSON Schema, without prose. A reference replaces its siblings, as
// OpenAPI 3.0 has it.
func bare(s schema) schema {
	if ref, ok := s["$ref"].(string); ok {
		return reference(strings.TrimPrefix(ref, componentPrefix))
	}
	out := schema{}
	for _, key := range constraints {
		if v, ok := s[key]; ok {
			out[key] = v
		}
	}
	if properties, ok := s["properties"].(schema); ok {
		out["properties"] = bareAll(properties)
	}
	for _, key := range []string{"items", "not", "additionalProperties"} {
		if v, ok := s[key]; ok {
			out[key] = bareValue(v)
		}
	}
	for _, key := range []string{"oneOf", "anyOf", "allOf"} {
		if list, ok := s[key].([]any); ok {
			out[key] = bareList(list)
		}
	}
	if s["nullable"] == true {
		allowNull(out)
	}
	return out
}

func bareAll(schemas schema) schema {
	out := schema{}
	for name, v := range schemas {
		out[name] = bareValue(v)
	}
	return out
}

func bareList(list []any) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = bareValue(v)
	}
	return out
}

// bareValue leaves what is no schema object, as in "additionalProperties": true.
func bareValue(v any) any {
	if s, ok := v.(schema); ok {
		return bare(s)
	}
	return v
}

// allowNull is what nullable: true of OpenAPI 3.0 means.
func allowNull(s schema) {
	if t, ok := s["type"].(string); ok {
		s["type"] = []any{t, "null"}
	}
	if values, ok := s["enum"].([]any); ok && !slices.Contains(values, nil) {
		s["enum"] = append(slices.Clone(values), nil)
	}
}
