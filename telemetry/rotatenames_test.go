package telemetry_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/telemetry"
)

// rotateDeclares are the declarations of package rotate.
func rotateDeclares(t *testing.T) (all []ast.Spec) {
	t.Helper()
	files, err := filepath.Glob("../rotate/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if d, ok := decl.(*ast.GenDecl); ok {
				all = append(all, d.Specs...)
			}
		}
	}
	return all
}

// TestEveryErrorOfRotateHasAName: an error type that package rotate gets is told by its own name, and not by what it wraps.
func TestEveryErrorOfRotateHasAName(t *testing.T) {
	t.Parallel()
	named := make(map[string]string)
	for _, tt := range errorTypes() {
		named[reflect.TypeOf(tt.err).String()] = tt.want
	}
	found := 0
	for _, spec := range rotateDeclares(t) {
		s, ok := spec.(*ast.TypeSpec)
		if !ok || !s.Name.IsExported() || !strings.HasSuffix(s.Name.Name, "Error") {
			continue
		}
		found++
		if want := named["*rotate."+s.Name.Name]; want == "" || want == "_OTHER" {
			t.Errorf("rotate.%s has no name: give it one in errornames.go and a row in TestErrorType", s.Name)
		}
	}
	if found < 10 {
		t.Errorf("found %d error types", found)
	}
}

// TestDocHasEveryName: the package's document lists every step of a rotation and every name of an error.
func TestDocHasEveryName(t *testing.T) {
	t.Parallel()
	errorNames, stepNames := telemetry.ErrorNames(), steps(t)
	if len(errorNames) < 30 || len(stepNames) < 10 {
		t.Errorf("%d names, %d steps", len(errorNames), len(stepNames))
	}
	for section, names := range map[string][]string{"Errors": errorNames, "Spans": stepNames} {
		said := wordsOf(t, section)
		for _, name := range names {
			if !said[name] {
				t.Errorf("doc.go does not name %s under %s", name, section)
			}
		}
	}
}

// wordsOf are the words of a section of the package's document.
func wordsOf(t *testing.T, section string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "// # "+section+"\n")
	if !found {
		t.Fatalf("doc.go has no section %s", section)
	}
	own, _, _ := strings.Cut(rest, "// # ")
	words := make(map[string]bool)
	for _, word := range strings.FieldsFunc(own, func(r rune) bool { return strings.ContainsRune(" ,:;.()\n\t", r) }) {
		words[word] = true
	}
	return words
}

// steps are the values of rotate's StepKinds.
func steps(t *testing.T) (all []string) {
	t.Helper()
	for _, spec := range rotateDeclares(t) {
		s, ok := spec.(*ast.ValueSpec)
		if !ok || len(s.Values) != 1 {
			continue
		}
		if kind, ok := s.Type.(*ast.Ident); !ok || kind.Name != "StepKind" {
			continue
		}
		literal, ok := s.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is no literal", s.Names[0])
		}
		step, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, step)
	}
	return all
}
