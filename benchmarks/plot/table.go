package main

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// writeTables writes a section of Markdown for each topic that the results have rows for. Links to pictures go to the
// folder pictures; there are none if that is empty.
func writeTables(w io.Writer, r *results, pictures string) error {
	if _, err := fmt.Fprintf(w, "%s.\n", strings.Join(r.machines, "; ")); err != nil {
		return err
	}
	for _, t := range topics {
		if rows := r.of(t.benchmark); len(rows) > 0 {
			if _, err := io.WriteString(w, t.section(rows, pictures)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *results) of(benchmark string) []*row {
	var rows []*row
	for _, row := range r.rows {
		if row.benchmark == benchmark {
			rows = append(rows, row)
		}
	}
	return rows
}

// section returns a topic's heading, its pictures and its table.
func (t topic) section(rows []*row, pictures string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n", t.question)
	for _, p := range t.pictures {
		if pictures != "" && len(t.linesOf(p, rows)) > 0 {
			fmt.Fprintf(&b, "![%s](%s)\n", p.title, path.Join(pictures, p.file+".svg"))
		}
	}
	if pictures != "" {
		b.WriteByte('\n')
	}
	columns := t.columnsOf(rows)
	head := []string{"`Benchmark" + t.benchmark + "`"}
	for _, unit := range columns {
		head = append(head, columnName(unit))
	}
	if len(t.targets) > 0 {
		head = append(head, "target")
	}
	writeLine(&b, head)
	writeLine(&b, append([]string{"---"}, slices.Repeat([]string{"--:"}, len(head)-1)...))
	for _, r := range rows {
		writeLine(&b, t.cells(r, columns))
	}
	return b.String()
}

// columnsOf returns those of the topic's units that any row has.
func (t topic) columnsOf(rows []*row) []string {
	var columns []string
	for _, unit := range t.columns {
		for _, r := range rows {
			if len(r.values[unit]) > 0 {
				columns = append(columns, unit)
				break
			}
		}
	}
	return columns
}

func (t topic) cells(r *row, columns []string) []string {
	cells := []string{strings.TrimPrefix(r.name(), r.benchmark+"/")}
	for i, unit := range columns {
		cells = append(cells, r.cell(unit, i == 0))
	}
	if len(t.targets) == 0 {
		return cells
	}
	most, ok := t.targetOf(r)
	values := r.values[t.columns[0]]
	switch {
	case !ok || len(values) == 0:
		return append(cells, "")
	case spreadOf(values).median <= most:
		return append(cells, fmt.Sprintf("≤ %g ✓", most))
	}
	return append(cells, fmt.Sprintf("≤ %g", most))
}

// cell is the median of a unit, with the middle half of the values if asked for.
func (r *row) cell(unit string, whole bool) string {
	values := r.values[unit]
	if len(values) == 0 {
		return ""
	}
	write := number
	if isTime(unit) {
		write = duration
	}
	s := spreadOf(values)
	switch {
	case !whole:
		return write(s.median)
	case s.runs == 1:
		return "**" + write(s.median) + "**"
	}
	return fmt.Sprintf("**%s** (%s–%s)", write(s.median), write(s.lower), write(s.upper))
}

func isTime(unit string) bool { return unit == "ns/op" || strings.HasSuffix(unit, "-ns") }

func writeLine(b *strings.Builder, cells []string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func columnName(unit string) string {
	switch {
	case unit == "ns/op":
		return "time/op"
	case isTime(unit):
		return strings.TrimSuffix(unit, "-ns")
	case strings.HasSuffix(unit, "-us"):
		return unitName(unit) + " µs"
	}
	return unitName(unit)
}

// duration writes nanoseconds in the unit in which they are short.
func duration(ns float64) string {
	for _, unit := range []struct {
		name string
		ns   float64
	}{{"s", 1e9}, {"ms", 1e6}, {"µs", 1e3}} {
		if ns >= unit.ns {
			return number(ns/unit.ns) + " " + unit.name
		}
	}
	return number(ns) + " ns"
}

// number writes x with three digits that count, or all of an integer.
func number(x float64) string {
	switch {
	case x >= 100 || x == float64(int64(x)):
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case x >= 1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}
