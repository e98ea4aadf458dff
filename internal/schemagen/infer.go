package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A vocabulary holds what the document says of single fields: its components, by name.
type vocabulary map[string]schema

// inferred is the narrowest schema of types and required fields that admits all examples, marked as such.
func (w vocabulary) inferred(examples []any) schema {
	s := w.infer("", examples)
	s["$comment"] = "from the published examples"
	return s
}

// infer describes values found under one name.
func (w vocabulary) infer(name string, values []any) schema {
	if w.defines(name) {
		return reference(name)
	}
	types := map[string]bool{}
	var objects []map[string]any
	var elements []any
	for _, v := range values {
		types[typeOf(name, v)] = true
		switch v := v.(type) {
		case map[string]any:
			objects = append(objects, v)
		case []any:
			elements = append(elements, v...)
		}
	}
	s := schema{}
	if list := typeList(types); list != "null" { // a value that is only ever shown as null may be anything
		s["type"] = list
	}
	if len(objects) > 0 {
		w.inferObject(s, objects)
	}
	if len(elements) > 0 {
		s["items"] = w.infer("", elements)
	}
	return s
}

func (w vocabulary) inferObject(s schema, objects []map[string]any) {
	values := map[string][]any{}
	for _, o := range objects {
		for key, v := range o {
			values[key] = append(values[key], v)
		}
	}
	properties := schema{}
	required := []any{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		properties[key] = w.infer(key, values[key])
		if len(values[key]) == len(objects) && !w.optional(key) {
			required = append(required, key)
		}
	}
	s["properties"] = properties
	s["required"] = required
}

// defines tells whether a component says what every field of its name is. Lists have other elements on channels than in
// replies, and so have most objects other fields.
func (w vocabulary) defines(name string) bool {
	switch w[name]["type"] {
	case nil, "array":
		return false
	case "object":
		return name == "stats" || name == "greeks"
	default:
		return true
	}
}

var sometimes = regexp.MustCompile(`(?i)\boptional\b|\bonly\)`)

// optional tells whether the prose of a component says that the field is not always there: "(perpetual only)".
func (w vocabulary) optional(name string) bool {
	prose, _ := w[name]["description"].(string)
	return sometimes.MatchString(prose)
}

// typeOf names the type of a value. That an example shows a whole number proves nothing of a price, so only names that can
// be nothing else are integers.
func typeOf(name string, v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	if strings.HasSuffix(name, "_timestamp") || strings.HasSuffix(name, "change_id") {
		return "integer"
	}
	return "number"
}

func typeList(types map[string]bool) any {
	names := slices.Sorted(maps.Keys(types))
	if len(names) == 1 {
		return names[0]
	}
	list := make([]any, len(names))
	for i, n := range names {
		list[i] = n
	}
	return list
}
