package schematest_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/schematest"
)

// samples reads every published example of a result or of a notification's data, and the other evidence, by the method or
// channel that it belongs to.
func samples(t *testing.T) map[string][]json.RawMessage {
	t.Helper()
	var examples struct{ Methods, Channels map[string][]json.RawMessage }
	read(t, "schema/examples.json", &examples)
	var evidence []struct {
		Of    string
		Value json.RawMessage
	}
	read(t, "testdata/evidence.json", &evidence)
	all := examples.Methods
	for channel, list := range examples.Channels {
		all[channel] = append(all[channel], list...)
	}
	for _, e := range evidence {
		all[e.Of] = append(all[e.Of], e.Value)
	}
	return all
}

func read(tb testing.TB, name string, v any) {
	tb.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
}

func TestEveryPublishedExamplePasses(t *testing.T) {
	t.Parallel()
	v := schematest.Load(t)
	all := samples(t)
	if len(all) < 190 {
		t.Errorf("examples of %d methods and channels, want all of the documents", len(all))
	}
	for of, values := range all {
		schema := v.Schema(of)
		if schema == nil {
			t.Errorf("%s: no schema", of)
			continue
		}
		for _, value := range values {
			if err := schematest.Judge(schema, of, value); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestEveryOverrideIsNeeded(t *testing.T) {
	t.Parallel()
	all := samples(t)
	paths, shown := schematest.Overrides()
	seen := map[string]bool{}
	for i, path := range paths {
		if seen[path] {
			t.Errorf("%s is relaxed twice", path)
		}
		seen[path] = true
		strict, err := schematest.Published(shown[i], path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		refused := false
		for _, value := range all[shown[i]] {
			refused = refused || schematest.Judge(strict, shown[i], value) != nil
		}
		if !refused {
			t.Errorf("%s: the examples of %s pass without the override", path, shown[i])
		}
	}
}
