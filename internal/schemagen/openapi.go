package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// brokenReference is the component that the document puts where a reference of its source led nowhere.
const brokenReference = definitionPrefix + "ErrorResponse"

// A restDocument is what is needed of an OpenAPI 3.0 document.
type restDocument struct {
	Paths map[string]struct {
		Get struct {
			Responses map[string]response
		}
	}
	Components struct {
		Schemas   map[string]schema
		Responses map[string]response
	}
}

// A response is an answer of a method: by reference, or with content. A reference may have content of its own beside it,
// which then holds the examples.
type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct {
		Schema   schema
		Examples map[string]struct{ Value any }
	}
}

// derive gives the schema of each method's result, and the examples of it.
func (d restDocument) derive() (methods, examples section, err error) {
	methods, examples = section{}, section{}
	shown, words := d.shown(), d.vocabulary()
	for path, item := range d.Paths {
		method := strings.TrimPrefix(path, "/")
		ok := item.Get.Responses["200"]
		if results := d.exampleResults(ok); len(results) > 0 {
			examples[method] = results
		}
		if ok.Ref == "" && ok.Content == nil {
			continue // private/logout: the connection closes
		}
		result, err := d.result(d.body(ok))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", method, err)
		}
		if broken(result) {
			result = words.inferred(shown[ok.Ref])
		}
		methods[method] = result
	}
	return methods, examples, nil
}

// shown gathers the example results of each shared response, whichever method shows them.
func (d restDocument) shown() map[string][]any {
	shown := map[string][]any{}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		ok := d.Paths[path].Get.Responses["200"]
		shown[ok.Ref] = append(shown[ok.Ref], d.exampleResults(ok)...)
	}
	return shown
}

// broken tells whether the document fails to say what a result is.
func broken(result schema) bool {
	return len(result) == 0 || slices.Contains(references(result), brokenReference)
}

func (d restDocument) resolve(r response) response {
	return d.Components.Responses[r.Ref[strings.LastIndexByte(r.Ref, '/')+1:]]
}

// body is the schema of a reply's whole envelope, empty if the document does not describe it.
func (d restDocument) body(r response) schema {
	if r.Ref != "" {
		r = d.resolve(r)
	}
	return bare(r.Content["application/json"].Schema)
}

// result finds the schema of the property result of an envelope. A few replies are described without their envelope: those
// are the result.
func (d restDocument) result(body schema) (schema, error) {
	if ref, ok := body["$ref"].(string); ok {
		target, found := d.Components.Schemas[strings.TrimPrefix(ref, definitionPrefix)]
		if !found {
			return nil, fmt.Errorf("%s: no such component", ref)
		}
		return d.result(bare(target))
	}
	if parts, ok := body["allOf"].([]any); ok && len(parts) > 0 {
		last, _ := parts[len(parts)-1].(schema) // the envelope comes first, the result last
		return d.result(last)
	}
	properties, _ := body["properties"].(schema)
	if result, ok := properties["result"].(schema); ok {
		return result, nil
	}
	if properties["jsonrpc"] != nil {
		return schema{}, nil
	}
	return body, nil
}

func (d restDocument) exampleResults(r response) []any {
	var results []any
	sources := []response{r}
	if r.Ref != "" {
		sources = append(sources, d.resolve(r))
	}
	for _, source := range sources {
		examples := source.Content["application/json"].Examples
		for _, name := range slices.Sorted(maps.Keys(examples)) {
			if envelope, ok := examples[name].Value.(map[string]any); ok && envelope["result"] != nil {
				results = append(results, envelope["result"])
			}
		}
	}
	return results
}

// vocabulary is what the document says of single fields.
func (d restDocument) vocabulary() vocabulary { return vocabulary(d.Components.Schemas) }

// definitions collects the components that the schemas refer to, directly or not. A component that the document lacks
// admits anything.
func (d restDocument) definitions(sections ...section) section {
	defs := section{}
	var queue []string
	for _, s := range sections {
		queue = append(queue, references(s)...)
	}
	for len(queue) > 0 {
		name := strings.TrimPrefix(queue[0], definitionPrefix)
		queue = queue[1:]
		if defs[name] != nil {
			continue
		}
		component, ok := d.Components.Schemas[name]
		if !ok {
			defs[name] = schema{"$comment": "missing from the document"}
			continue
		}
		def := bare(component)
		defs[name] = def
		queue = append(queue, references(def)...)
	}
	return defs
}

// references lists the references in a tree of schemas.
func references(v any) []string {
	var refs []string
	switch v := v.(type) {
	case section:
		for _, e := range v {
			refs = append(refs, references(e)...)
		}
	case schema:
		if ref, ok := v["$ref"].(string); ok {
			return []string{ref}
		}
		for _, e := range v {
			refs = append(refs, references(e)...)
		}
	case []any:
		for _, e := range v {
			refs = append(refs, references(e)...)
		}
	}
	return refs
}
