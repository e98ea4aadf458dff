package main

import (
	"io"
	"strings"
	"testing"

	"gonum.org/v1/plot"
)

func TestNamesInWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, where, first, want string }{
		{"Call/transport=lean/callers=64", "", "", "lean, 64 callers"},
		{"Call/transport=lean/callers=1-2", "", "callers", "1 caller, lean"},
		{"Peer/client=jrpc2/callers=8/decode=raw-2", "decode=raw", "callers", "8 callers, jrpc2"},
		{"Lanes/load=megabyte/lanes=off-16", "", "", "megabyte, lanes off"},
		{"Idle-2", "", "", ""},
		{"Codec/positional/a=b", "", "", "b"},
	} {
		r := parseName([]byte(c.name))
		if got := r.label(c.where, c.first); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3, 3, 3, 1}},
		{[]float64{2, 1}, spread{1, 1, 2, 2, 2, 2}},
		{[]float64{5, 1, 4, 2, 3}, spread{1, 2, 3, 4, 5, 5}},
		{[]float64{9, 1, 8, 2, 7, 3, 6, 4, 5, 10}, spread{1, 3, 6, 8, 10, 10}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.values, got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ticks       func(least, most float64) []plot.Tick
		least, most float64
		want        string
	}{
		{linearTicks, 0, 64, "0 10 20 30 40 50 60"},
		{linearTicks, 0.93, 1.31, "0.95 1 1.05 1.1 1.15 1.2 1.25 1.3"},
		{linearTicks, 0, 17, "0 2 4 6 8 10 12 14 16"},
		{linearTicks, 0, 1, "0 0.2 0.4 0.6 0.8 1"},
		{logTicks, 0.9, 30, "1 2 5 10 20"},
		{logTicks, 20, 30_000, "30 100 300 1000 3000 10000 30000"},
	} {
		var got []string
		for _, tick := range c.ticks(c.least, c.most) {
			got = append(got, tick.Label)
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%g to %g: got %s, want %s", c.least, c.most, got, c.want)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for ns, want := range map[float64]string{
		0: "0 ns", 92.7: "92.7 ns", 999: "999 ns", 1050: "1.05 µs", 46_370: "46.4 µs", 16_900_000: "16.9 ms", 2.5e9: "2.50 s",
	} {
		if got := duration(ns); got != want {
			t.Errorf("%g: got %s, want %s", ns, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{
		0: "0", 0.0456: "0.046", 1: "1", 1.249: "1.25", 12.34: "12.3", 123.4: "123", 16384: "16384", 1.05: "1.05",
	} {
		if got := number(x); got != want {
			t.Errorf("%g: got %s, want %s", x, got, want)
		}
	}
}

// TestTopicsAreWhole finds what a slip of the pen does to the table of topics.
func TestTopicsAreWhole(t *testing.T) {
	t.Parallel()
	files, benchmarks := map[string]bool{}, map[string]bool{}
	for _, topic := range topics {
		if benchmarks[topic.benchmark] || topic.question == "" || len(topic.columns) == 0 || len(topic.pictures) == 0 {
			t.Errorf("topic %s is doubled or lacks something", topic.benchmark)
		}
		benchmarks[topic.benchmark] = true
		for _, p := range topic.pictures {
			if files[p.file] || p.file == "" || p.axis == "" || len(p.units) == 0 || !strings.HasSuffix(p.title, "?") {
				t.Errorf("picture %s of %s is doubled or lacks something", p.file, topic.benchmark)
			}
			files[p.file] = true
		}
	}
}

// FuzzResults draws whatever can be read.
func FuzzResults(f *testing.F) {
	f.Add("BenchmarkCall/transport=lean/callers=1-2 1 5 ns/op 1.2 x-floor 0 p50-us\n")
	f.Add("goos: linux\ncpu: x\nBenchmarkIdle 3 0 KiB/session\nBenchmarkIdle 3 1e14 KiB/session\n")
	f.Add("BenchmarkPeer/client=/callers=99999999999999999999/decode=raw 1 1e-8 ns/op\nBenchmarkPeer// 1 1 ns/op\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := &results{known: map[string]*row{}}
		if err := r.read(strings.NewReader(text), "fuzz"); err != nil {
			return
		}
		if err := writeTables(io.Discard, r, "pictures"); err != nil {
			t.Error(err)
		}
		for _, topic := range topics {
			for _, p := range topic.pictures {
				lines := topic.linesOf(p, r.rows)
				if len(lines) == 0 {
					continue
				}
				svg, err := p.draw(lines)
				if err != nil || strings.Contains(string(svg), "NaN") && !strings.Contains(text, "NaN") {
					t.Errorf("%s: %v: %s", p.file, err, svg)
				}
			}
		}
	})
}
