package session_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The forms in which README.md and the tests name what users asked for: an issue or pull request, and a test, which is of this package
// if it names none.
var (
	askForm  = regexp.MustCompile(`[\w./-]+#\d+`)
	testForm = regexp.MustCompile("`(?:([a-z]+)\\.)?(Test\\w+)`")
)

// TestAsksHaveTheirTests holds README.md's table of what users asked for against the tests: each number of a row is carried by a test of
// that row, in a line "Asks:" at the end of its comment, and each number that a test carries has a row which names the test.
func TestAsksHaveTheirTests(t *testing.T) {
	t.Parallel()
	carried := map[string]map[string][]string{} // asks by test, by package
	for _, pkg := range []string{"session", "rpc", "orderbook", "rotate", "deribittest", "telemetry"} {
		carried[pkg] = asksOfTests(t, filepath.Join("..", pkg))
	}
	rows := rowsOfAsks(t)
	if len(rows) < 40 {
		t.Fatalf("%d rows: the table was not found", len(rows))
	}
	type place struct{ ask, pkg, test string }
	named, seen := map[place]bool{}, map[string]bool{}
	for _, row := range rows {
		asks, tests := askForm.FindAllString(row[0], -1), testForm.FindAllStringSubmatch(row[1], -1)
		if len(asks) == 0 || len(tests) == 0 {
			t.Errorf("%q has %d numbers and %d tests", row[0], len(asks), len(tests))
		}
		for _, ask := range asks {
			if seen[ask] {
				t.Errorf("%s has two rows", ask)
			}
			seen[ask] = true
			isCarried := false
			for _, test := range tests {
				pkg := test[1]
				if pkg == "" {
					pkg = "session"
				}
				of, exists := carried[pkg][test[2]]
				if !exists {
					t.Errorf("%s: there is no %s in package %s", ask, test[2], pkg)
				}
				isCarried = isCarried || slices.Contains(of, ask)
				named[place{ask, pkg, test[2]}] = true
			}
			if !isCarried {
				t.Errorf("%s is carried by no test of its row", ask)
			}
		}
	}
	for pkg, tests := range carried {
		for test, asks := range tests {
			for _, ask := range asks {
				if !named[place{ask, pkg, test}] {
					t.Errorf("%s of package %s carries %s, whose row in README.md does not name it", test, pkg, ask)
				}
			}
		}
	}
}

// asksOfTests are the numbers that each test of a package carries; every test is in it.
func asksOfTests(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d test files in %s, %v", len(files), dir, err)
	}
	asks := map[string][]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				_, list, _ := strings.Cut(f.Doc.Text(), "Asks: ")
				asks[f.Name.Name] = askForm.FindAllString(list, -1)
			}
		}
	}
	return asks
}

// rowsOfAsks are the rows of README.md's table, each with what was asked and where it is shown.
func rowsOfAsks(t *testing.T) (rows [][2]string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## What users of other clients asked for\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) == 4 && strings.Contains(cells[2], "`") {
			rows = append(rows, [2]string{cells[1], cells[2]})
		}
	}
	return rows
}
