// Plot draws what the benchmarks of Holdfast measured, and makes the tables of their README:
//
//	go test -run xxx -bench . -count 10 ./benchmarks | tee results.txt
//	go run . -o ../plots -readme ../README.md results.txt
//
// It reads the output of go test -bench, of this suite and of benchmarks/peers, from the files named or from standard
// input. With -o it writes one SVG per question into a folder, with -readme it replaces the block of a Markdown file that
// begins and ends with its marks, with -tables it prints that block.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

var errNothingToDo = errors.New("nothing to do: give -o, -tables or -readme")

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("plot", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("o", "", "write pictures into `DIR`")
	tables := flags.Bool("tables", false, "print tables as Markdown")
	readme := flags.String("readme", "", "replace the block of results in `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" && *readme == "" && !*tables {
		return errNothingToDo
	}
	r, err := readResults(flags.Args())
	if err != nil {
		return err
	}
	for _, name := range r.unasked() {
		fmt.Fprintf(stderr, "plot: no topic is about Benchmark%s\n", name)
	}
	if *dir != "" {
		if err := drawPictures(r, *dir); err != nil {
			return err
		}
	}
	if *tables {
		if err := writeTables(stdout, r, *dir); err != nil {
			return err
		}
	}
	if *readme == "" {
		return nil
	}
	return updateReadme(r, *readme, *dir)
}

// updateReadme puts the tables into file, with links to the pictures in dir if that is given.
func updateReadme(r *results, file, dir string) error {
	link := ""
	if dir != "" {
		rel, err := filepath.Rel(filepath.Dir(file), dir)
		if err != nil {
			return err
		}
		link = filepath.ToSlash(rel)
	}
	var block bytes.Buffer
	if err := writeTables(&block, r, link); err != nil {
		return err
	}
	return replaceBlock(file, block.Bytes())
}
