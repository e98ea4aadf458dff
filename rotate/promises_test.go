package rotate_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
)

// The forms in which README.md names a line of its tables, and a test, which is of this package if it names none.
var (
	lineForm     = regexp.MustCompile(`(?m)^\| ([FR]\d+) \|(.*)\|$`)
	namedForm    = regexp.MustCompile("`(?:([a-z]+)\\.)?((?:Test|Fuzz)\\w+)`")
	funcForm     = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	numberedForm = regexp.MustCompile(`^Test([FR]\d+)[A-Z]`)
)

// testedIn are the packages whose tests README.md names.
var testedIn = map[string]string{
	"": ".", "filestore": "filestore", "core": "internal/core", "session": "../session", "rpc": "../rpc", "holdfast": "../cmd/holdfast",
}

// TestPromisesHaveTheirTests holds README.md and the tests together: F1 to F40, R1 to R16 and T1 to T24 are all there, each of F and R
// names a test unless nothing can be promised, every test that the page names exists, and a test that has the number of a line in its
// name is named by the line.
func TestPromisesHaveTheirTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]string{}
	for pkg, dir := range testedIn {
		tests[pkg] = testsOf(t, dir)
	}
	for _, name := range namedForm.FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(tests[name[1]], name[2]) {
			t.Errorf("there is no test %s", name[0])
		}
	}
	lines := map[string]string{}
	for _, line := range lineForm.FindAllStringSubmatch(string(text), -1) {
		if lines[line[1]] != "" {
			t.Errorf("%s has two lines", line[1])
		}
		lines[line[1]] = line[2]
		if line[1] != "F34" && !namedForm.MatchString(line[2]) {
			t.Errorf("%s names no test", line[1])
		}
	}
	var want []string
	for of, n := range map[string]int{"F": 40, "R": 16} {
		for i := range n {
			want = append(want, fmt.Sprintf("%s%d", of, i+1))
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(lines)); !slices.Equal(got, want) {
		t.Errorf("the lines are %v, not %v", got, want)
	}
	for _, test := range tests[""] {
		if of := numberedForm.FindStringSubmatch(test); of != nil && !strings.Contains(lines[of[1]], "`"+test+"`") {
			t.Errorf("%s is not named by the line of %s", test, of[1])
		}
	}
	if last := fmt.Sprintf("T1 to T%d", core.Transitions-1); !strings.Contains(string(text), last) {
		t.Errorf("it does not speak of %s", last)
	}
}

// testsOf are the tests of the package in a directory.
func testsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d test files in %s, %v", len(files), dir, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range funcForm.FindAllStringSubmatch(string(text), -1) {
			names = append(names, f[1])
		}
	}
	return names
}
