package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is made now to testdata/golden")

// TestGolden makes the pictures and tables of a small input twice, and compares them with those that a person has seen.
func TestGolden(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "golden")
	if *update {
		make1(t, golden)
	}
	for range 2 {
		made := t.TempDir()
		make1(t, made)
		compare(t, golden, made)
	}
}

// make1 draws into dir and puts the tables beside.
func make1(t *testing.T, dir string) {
	t.Helper()
	var tables, complaints bytes.Buffer
	if err := run([]string{"-o", dir, "-tables", filepath.Join("testdata", "results.txt")}, &tables, &complaints); err != nil {
		t.Fatal(err)
	}
	if complaints.Len() > 0 {
		t.Errorf("complaints: %s", &complaints)
	}
	text := bytes.ReplaceAll(tables.Bytes(), []byte(filepath.ToSlash(dir)), []byte("pictures"))
	if err := os.WriteFile(filepath.Join(dir, "tables.md"), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// compare fails unless both folders have the same files.
func compare(t *testing.T, want, got string) {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range []string{want, got} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names[e.Name()] = true
		}
	}
	if len(names) < 10 {
		t.Errorf("only %d files", len(names))
	}
	for name := range names {
		a, errA := os.ReadFile(filepath.Join(want, name))
		b, errB := os.ReadFile(filepath.Join(got, name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs (%v, %v): if it should, look at it and run go test -update", name, errA, errB)
		}
	}
}

func TestReadmeBlockIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	readme := filepath.Join(dir, "README.md")
	write(t, readme, "# Before\n"+blockBegin+"former results\n"+blockEnd+"After\n")
	args := []string{"-o", filepath.Join(dir, "plots"), "-readme", readme, filepath.Join("testdata", "results.txt")}
	var first string
	for range 2 {
		if err := run(args, io.Discard, io.Discard); err != nil {
			t.Fatal(err)
		}
		got := read(t, readme)
		if first == "" {
			first = got
		}
		if got != first {
			t.Error("made twice, it differs")
		}
	}
	if !strings.HasPrefix(first, "# Before\n"+blockBegin+"AMD EPYC, linux/amd64.\n") || !strings.HasSuffix(first, "|\n"+blockEnd+"After\n") ||
		strings.Contains(first, "former") || !strings.Contains(first, "(plots/call.svg)") {
		t.Errorf("got %.200s ... %s", first, first[max(0, len(first)-200):])
	}
}

func TestReadmeWithoutBlockIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "# Title\n", blockBegin, blockEnd, blockEnd + blockBegin,
		blockBegin + blockBegin + blockEnd, blockBegin + blockEnd + blockEnd,
	} {
		readme := filepath.Join(t.TempDir(), "README.md")
		write(t, readme, text)
		if err := run([]string{"-readme", readme, filepath.Join("testdata", "results.txt")}, io.Discard, io.Discard); err == nil {
			t.Errorf("%q: no error", text)
		}
		if got := read(t, readme); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestBadInputIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":        "",
		"no result":    "goos: linux\nPASS\n",
		"negative":     "BenchmarkCall/transport=lean/callers=1 1 -5 ns/op\n",
		"not a number": "BenchmarkCall/transport=lean/callers=1 1 NaN x-floor\n",
		"infinite":     "BenchmarkCall/transport=lean/callers=1 1 +Inf x-floor\n",
		"cut":          "BenchmarkCall/transport=lean/callers=1 1 5\n",
	} {
		file := filepath.Join(t.TempDir(), "results.txt")
		write(t, file, text)
		if err := run([]string{"-tables", file}, io.Discard, io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := run([]string{"-tables", filepath.Join(t.TempDir(), "none.txt")}, io.Discard, io.Discard); err == nil {
		t.Error("no file: no error")
	}
	if err := run([]string{filepath.Join("testdata", "results.txt")}, io.Discard, io.Discard); err == nil {
		t.Error("nothing to do: no error")
	}
}

func TestBenchmarkWithoutTopicIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "results.txt")
	write(t, file, "BenchmarkCall/transport=lean/callers=1-2 1 5 ns/op\nBenchmarkOther/a=1-2 1 5 ns/op\nBenchmarkOther/a=2-2 1 5 ns/op\n")
	var complaints strings.Builder
	if err := run([]string{"-tables", file}, io.Discard, &complaints); err != nil {
		t.Fatal(err)
	}
	if got, want := complaints.String(), "plot: no topic is about BenchmarkOther\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
