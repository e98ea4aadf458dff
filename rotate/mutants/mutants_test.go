package main_test

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	main "github.com/holdfast-ws/holdfast/rotate/mutants"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// module makes the working directory that of a module with a function and a test of half of it.
func module(t *testing.T, test string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":           "module example.com/m\n\ngo 1.26\n",
		"rotate/x.go":      "package rotate\n\nfunc Half(n int) int { return n / 2 }\n\nfunc Twice(n int) int { return n * 2 }\n",
		"rotate/x_test.go": "package rotate\n\nimport \"testing\"\n\nfunc TestHalf(t *testing.T) { " + test + " }\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

const goodTest = "if Half(4) != 2 { t.Fatal(\"no\") }"

// TestVerdicts: a mutant that is killed is so by name; one that survives, does not compile or is not found fails the run.
func TestVerdicts(t *testing.T) {
	module(t, goodTest)
	if _, err := main.Baseline(t.Context(), []main.Mutant{main.NewMutant("any", "n / 2", "n")}); err != nil {
		t.Error(err)
	}
	for _, test := range []struct{ name, old, with, verdict string }{
		{"killed", "n / 2", "n / 3", "rotate.TestHalf"},
		{"survives", "n * 2", "n * 3", "SURVIVED"},
		{"no code", "n / 2", "n +", "does not compile"},
		{"gone", "n / 7", "n", "0 times"},
		{"twice there", "n int", "m int", "2 times"},
	} {
		var table strings.Builder
		err := main.PrintResults(&table, main.RunAll(t.Context(), []main.Mutant{main.NewMutant(test.name, test.old, test.with)}, 1, time.Minute))
		if !strings.Contains(table.String(), test.verdict) {
			t.Errorf("%s: %s", test.name, table.String())
		}
		if killed := test.name == "killed"; killed != (err == nil) || !killed && !strings.Contains(err.Error(), test.name) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if text, err := os.ReadFile("rotate/x.go"); err != nil || !strings.Contains(string(text), "n / 2") {
		t.Errorf("the tree was touched: %s, %v", text, err)
	}
}

// TestBaseline: with tests that fail by themselves nothing is proved.
func TestBaseline(t *testing.T) {
	module(t, "t.Fatal(\"no\")")
	_, err := main.Baseline(t.Context(), []main.Mutant{main.NewMutant("any", "n / 2", "n")})
	if err == nil || !strings.Contains(err.Error(), "rotate.TestHalf") {
		t.Errorf("error: %v", err)
	}
}

// TestProcessThatOutlivesItsTest writes into the directory as it is removed.
func TestProcessThatOutlivesItsTest(t *testing.T) {
	var group sync.WaitGroup
	defer group.Wait()
	var dir string
	_, err := main.InDirectory(func(d string) (string, error) {
		dir = d
		writing := make(chan struct{})
		group.Go(func() {
			for i := range 2000 {
				if os.Mkdir(filepath.Join(dir, strconv.Itoa(i)), 0o700) != nil {
					return
				}
				if i == 100 {
					close(writing)
				}
			}
		})
		<-writing
		return "", nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
}

// TestListFits: each mutant still finds what it edits. The code changes, and the list is run now and then.
func TestListFits(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	all, err := main.Chosen("")
	if err != nil || len(all) < 100 {
		t.Fatalf("%d mutants, %v", len(all), err)
	}
	if err := main.PrintList(io.Discard, all); err != nil {
		t.Error(err)
	}
}

// TestListFails where a mutant has nothing to edit.
func TestListFails(t *testing.T) {
	module(t, goodTest)
	if err := main.PrintList(io.Discard, []main.Mutant{main.NewMutant("there", "n / 2", "n")}); err != nil {
		t.Error(err)
	}
	if err := main.PrintList(io.Discard, []main.Mutant{main.NewMutant("gone", "n / 7", "n")}); err == nil {
		t.Error("a mutant that is gone passed")
	}
}

// TestFirstFailure reads what tests print.
func TestFirstFailure(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, out, failed string }{
		{"all pass", "=== RUN   TestX\n--- PASS: TestX (0.00s)\nPASS\n", ""},
		{"the first counts", "=== RUN   TestX\n    --- FAIL: TestX/y (0.00s)\n--- FAIL: TestX (0.00s)\n--- FAIL: TestZ (0.00s)\n", "TestX/y"},
		{"a panic", "=== RUN   TestX\npanic: no [recovered]\n\nmore\n", "panic: no [recovered]"},
		{"too late", "panic: test timed out after 2m0s\n\trunning tests:\n\t\tTestX (1m59s)\n\ngoroutine 1\n", "hangs: TestX (1m59s)"},
		{"a deadlock", "fatal error: all goroutines are asleep - deadlock!\n", "fatal error: all goroutines are asleep - deadlock!"},
	} {
		failed, err := main.FirstFailure(strings.NewReader(test.out))
		if failed != test.failed || err != nil {
			t.Errorf("%s: %q, %v", test.name, failed, err)
		}
	}
	if _, err := main.FirstFailure(iotest.ErrReader(io.ErrClosedPipe)); err == nil {
		t.Error("what could not be read passed")
	}
}
