package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// results is what a number of runs of benchmarks measured.
type results struct {
	rows     []*row          // in the order in which they were first met
	known    map[string]*row // by name
	machines []string
}

// row is what one benchmark measured in all its runs.
type row struct {
	benchmark string // "Call"
	keys      []key
	values    map[string][]float64 // by the unit that the benchmark printed
}

// key is one part of a benchmark's name: callers=64.
type key struct{ name, value string }

// What lies beyond these, and is not 0, is an error of whoever measured.
const (
	leastValue = 1e-9
	mostValue  = 1e15
)

var errNoResults = errors.New("no results")

// readResults reads the output of go test -bench, from files or, if there are none, from standard input.
func readResults(paths []string) (*results, error) {
	r := &results{known: map[string]*row{}}
	if len(paths) == 0 {
		paths = []string{os.Stdin.Name()}
	}
	for _, path := range paths {
		if err := r.readFile(path); err != nil {
			return nil, err
		}
	}
	if len(r.rows) == 0 {
		return nil, errNoResults
	}
	return r, nil
}

func (r *results) readFile(path string) error {
	file, err := os.Open(path) //nolint:gosec // named on the command line
	if err != nil {
		return err
	}
	defer file.Close()
	return r.read(file, path)
}

func (r *results) read(from io.Reader, name string) error {
	reader := benchfmt.NewReader(from, name)
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return record
		case *benchfmt.Result:
			if err := r.add(record); err != nil {
				return err
			}
		}
	}
	return reader.Err()
}

func (r *results) add(record *benchfmt.Result) error {
	parsed := parseName(record.Name)
	into := r.known[parsed.name()]
	if into == nil {
		into = &parsed
		r.known[parsed.name()] = into
		r.rows = append(r.rows, into)
	}
	for _, v := range record.Values {
		value, unit := v.Value, v.Unit
		if v.OrigUnit != "" {
			value, unit = v.OrigValue, v.OrigUnit
		}
		if value != 0 && !(value > leastValue && value < mostValue) {
			file, line := record.Pos()
			return fmt.Errorf("%s:%d: %g %s is no measurement", file, line, value, unit)
		}
		into.values[unit] = append(into.values[unit], value)
	}
	machine := fmt.Sprintf("%s, %s/%s", record.GetConfig("cpu"), record.GetConfig("goos"), record.GetConfig("goarch"))
	if !slices.Contains(r.machines, machine) {
		r.machines = append(r.machines, machine)
	}
	return nil
}

// parseName takes a benchmark's name apart, and leaves GOMAXPROCS out.
func parseName(name benchfmt.Name) row {
	base, parts := name.Parts()
	r := row{benchmark: string(base), values: map[string][]float64{}}
	for _, part := range parts {
		if part[0] == '/' {
			name, value, _ := strings.Cut(string(part[1:]), "=")
			r.keys = append(r.keys, key{name, value})
		}
	}
	return r
}

// name is the benchmark's name without GOMAXPROCS.
func (r *row) name() string {
	var b strings.Builder
	b.WriteString(r.benchmark)
	for _, k := range r.keys {
		b.WriteString("/" + k.String())
	}
	return b.String()
}

// String returns the part of the name that the key was.
func (k key) String() string { return k.name + "=" + k.value }

// has reports whether the row's name has each of parts, as in "transport=lean/callers=64".
func (r *row) has(parts string) bool {
	for part := range strings.SplitSeq(parts, "/") {
		if part != "" && !slices.ContainsFunc(r.keys, func(k key) bool { return k.String() == part }) {
			return false
		}
	}
	return true
}

// label says in words what the row is: first the key named first, and nothing that parts already says.
func (r *row) label(parts, first string) string {
	var words []string
	for _, k := range r.keys {
		switch {
		case k.value == "" || slices.Contains(strings.Split(parts, "/"), k.String()):
		case k.name == first:
			words = slices.Insert(words, 0, k.words())
		default:
			words = append(words, k.words())
		}
	}
	return strings.Join(words, ", ")
}

// number is the value of a key that is a number; 0 if there is none.
func (r *row) number(name string) int {
	for _, k := range r.keys {
		if n, err := strconv.Atoi(k.value); err == nil && k.name == name {
			return n
		}
	}
	return 0
}

func (k key) words() string {
	if _, err := strconv.Atoi(k.value); err == nil {
		if k.value == "1" {
			return k.value + " " + strings.TrimSuffix(k.name, "s")
		}
		return k.value + " " + k.name
	}
	if k.value == "on" || k.value == "off" {
		return k.name + " " + k.value
	}
	return k.value
}

// spread is where the values of many runs lie.
type spread struct {
	least, lower, median, upper, most float64
	runs                              int
}

// spreadOf returns the spread of values, of which there is at least one.
func spreadOf(values []float64) spread {
	v := slices.SortedFunc(slices.Values(values), cmp.Compare[float64])
	last := len(v) - 1
	return spread{
		least: v[0], lower: v[last/4], median: v[len(v)/2], upper: v[last-last/4], most: v[last],
		runs: len(v),
	}
}

func (s spread) times(factor float64) spread {
	return spread{s.least * factor, s.lower * factor, s.median * factor, s.upper * factor, s.most * factor, s.runs}
}

// unasked returns the benchmarks that no topic is about.
func (r *results) unasked() []string {
	var names []string
	for _, row := range r.rows {
		asked := slices.ContainsFunc(topics, func(t topic) bool { return t.benchmark == row.benchmark })
		if !asked && !slices.Contains(names, row.benchmark) {
			names = append(names, row.benchmark)
		}
	}
	return names
}
