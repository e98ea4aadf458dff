package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	main "github.com/holdfast-ws/holdfast/internal/schemagen"
)

// The golden files hold one of each thing that the documents do: references, broken and missing ones, envelopes of three
// kinds, nullable fields, lists of alternatives, and data that only examples describe.
func TestRunDerivesBareSchemas(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	if err := main.Run("testdata/openapi.json", "testdata/asyncapi.json", out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"published.json", "examples.json"} {
		got, want := contents(t, filepath.Join(out, name)), contents(t, filepath.Join("testdata", name))
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
		if strings.Contains(got, "prose") {
			t.Errorf("%s repeats the prose", name)
		}
	}
}

func TestRunIsStable(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	for _, out := range []string{first, second} {
		if err := main.Run("testdata/openapi.json", "testdata/asyncapi.json", out); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := contents(t, filepath.Join(first, "published.json")), contents(t, filepath.Join(second, "published.json")); a != b {
		t.Errorf("two runs differ:\n%s\n%s", a, b)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	const good = "testdata/asyncapi.json"
	for _, c := range []struct{ name, document, want string }{
		{"no file", "", "read: "},
		{"no JSON", `{`, "unexpected end of JSON input"},
		{"a reply that leads nowhere", `{"paths":{"/public/x":{"get":{"responses":{"200":{"$ref":"#/components/responses/X"}}}}},
			"components":{"responses":{"X":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/X"}}}}}}}`, "public/x: #/$defs/X: no such component"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join(t.TempDir(), "openapi.json")
			if c.document != "" {
				if err := os.WriteFile(name, []byte(c.document), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := main.Run(name, good, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if err := main.Run("testdata/openapi.json", good, filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("wrote to a directory that does not exist")
	}
}

func contents(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
