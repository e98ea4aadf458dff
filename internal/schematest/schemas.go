package schematest

import (
	"embed"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed schema/envelope.json schema/published.json
var files embed.FS

// schemas is everything compiled; it is read-only and shared by all validators.
type schemas struct {
	kinds    map[string]*jsonschema.Schema // envelopes, by the name of their kind
	methods  map[string]*jsonschema.Schema // results
	channels []channel
}

// published compiles the schemas once, with all overrides.
var published = sync.OnceValues(func() (*schemas, error) { return compile(overrides) })

// compile reads the derived schemas, relaxes them, and compiles them.
func compile(relaxed []override) (*schemas, error) {
	compiler, documents, err := prepare(relaxed)
	if err != nil {
		return nil, err
	}
	return compileAll(compiler, documents)
}

// prepare reads the derived schemas and relaxes them.
func prepare(relaxed []override) (*jsonschema.Compiler, map[string]map[string]any, error) {
	documents := map[string]map[string]any{}
	for _, name := range []string{"envelope.json", "published.json"} {
		doc, err := load(name)
		if err != nil {
			return nil, nil, err
		}
		documents[name] = doc
	}
	for _, o := range relaxed {
		if err := o.apply(documents["published.json"]); err != nil {
			return nil, nil, err
		}
	}
	compiler := jsonschema.NewCompiler()
	for name, doc := range documents {
		if err := compiler.AddResource(name, doc); err != nil {
			return nil, nil, fmt.Errorf("schematest: %s: %w", name, err)
		}
	}
	return compiler, documents, nil
}

func load(name string) (map[string]any, error) {
	f, err := files.Open("schema/" + name)
	if err != nil {
		return nil, fmt.Errorf("schematest: %w", err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return nil, fmt.Errorf("schematest: %s: %w", name, err)
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("schematest: %s: no object", name)
	}
	return object, nil
}

func compileAll(compiler *jsonschema.Compiler, documents map[string]map[string]any) (*schemas, error) {
	kinds, err := compileSection(compiler, documents, "envelope.json", "kinds")
	if err != nil {
		return nil, err
	}
	methods, err := compileSection(compiler, documents, "published.json", "methods")
	if err != nil {
		return nil, err
	}
	patterns, err := compileSection(compiler, documents, "published.json", "channels")
	if err != nil {
		return nil, err
	}
	s := &schemas{kinds: kinds, methods: methods}
	for pattern, schema := range patterns {
		s.channels = append(s.channels, channel{pattern, strings.Split(pattern, "."), schema})
	}
	return s, nil
}

// compileSection compiles each schema of one section of a file.
func compileSection(compiler *jsonschema.Compiler, documents map[string]map[string]any, file, section string) (map[string]*jsonschema.Schema, error) {
	entries, ok := documents[file][section].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("schematest: %s: no section %s", file, section)
	}
	compiled := make(map[string]*jsonschema.Schema, len(entries))
	for name := range entries {
		schema, err := compiler.Compile(file + "#/" + section + "/" + escape(name))
		if err != nil {
			return nil, fmt.Errorf("schematest: %s: %s: %w", file, name, err)
		}
		compiled[name] = schema
	}
	return compiled, nil
}

// escape writes a name as a token of a JSON pointer.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// A channel is the schema of the data of all channels that a pattern names.
type channel struct {
	pattern string
	parts   []string
	schema  *jsonschema.Schema
}

// channel finds the pattern of a channel: of those that match, the one with most literal parts.
func (s *schemas) channel(name string) (channel, bool) {
	var found channel
	best := -1
	for _, c := range s.channels {
		if literals, ok := match(c.parts, strings.Split(name, ".")); ok && literals > best {
			found, best = c, literals
		}
	}
	return found, best >= 0
}

// match compares a channel with a pattern, part by part, and counts the literal ones. A part in parentheses stands for any.
func match(pattern, parts []string) (literals int, ok bool) {
	if len(pattern) != len(parts) {
		return 0, false
	}
	for i, p := range pattern {
		switch {
		case strings.HasPrefix(p, "("):
		case p != parts[i]:
			return 0, false
		default:
			literals++
		}
	}
	return literals, true
}
