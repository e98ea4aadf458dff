// Schemagen derives bare JSON schemas from the OpenAPI and AsyncAPI documents that the exchange publishes: types, required
// fields, enumerations and references, without the prose. What it writes is committed, so that tests can judge replies
// and notifications on a bare clone.
//
//	go run ./internal/schemagen -openapi openapi.json -asyncapi asyncapi.json -out internal/schematest/schema
//
// It writes published.json (the result of each method, the data of each channel, and the definitions that both use) and
// examples.json (the published examples of results and data). It repeats what the documents say, their mistakes included:
// what has to be relaxed is listed in package schematest. Only where a document says nothing, which is so for the data of
// every channel, it says what the document says elsewhere of the same object, or else what the examples show; such schemas
// carry a $comment.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	openAPI := flag.String("openapi", "", "the OpenAPI document, JSON")
	asyncAPI := flag.String("asyncapi", "", "the AsyncAPI document, JSON")
	out := flag.String("out", "internal/schematest/schema", "the directory to write to")
	flag.Parse()
	if err := run(*openAPI, *asyncAPI, *out); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

func run(openAPI, asyncAPI, out string) error {
	var rest restDocument
	if err := read(openAPI, &rest); err != nil {
		return err
	}
	var async asyncDocument
	if err := read(asyncAPI, &async); err != nil {
		return err
	}
	methods, results, err := rest.derive()
	if err != nil {
		return fmt.Errorf("%s: %w", openAPI, err)
	}
	channels, data := async.derive(rest.vocabulary())
	published := document{"$defs": rest.definitions(methods, channels), "methods": methods, "channels": channels}
	if err := write(filepath.Join(out, "published.json"), published); err != nil {
		return err
	}
	return write(filepath.Join(out, "examples.json"), document{"methods": results, "channels": data})
}

func read(name string, v any) error {
	b, err := os.ReadFile(filepath.Clean(name))
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func write(name string, d document) error {
	if err := os.WriteFile(name, d.encode(), 0o600); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
