package main

import (
	"bytes"
	"errors"
	"os"
)

// What stands between these lines of a file is made by this command.
const (
	blockBegin = "<!-- results: begin, made by benchmarks/plot -->\n"
	blockEnd   = "<!-- results: end -->\n"
)

var errNoBlock = errors.New("readme: the lines that enclose the results are missing, doubled, or in the wrong order")

// replaceBlock puts tables between the marks of the file.
func replaceBlock(file string, tables []byte) error {
	old, err := os.ReadFile(file) //nolint:gosec // named on the command line
	if err != nil {
		return err
	}
	before, rest, begun := bytes.Cut(old, []byte(blockBegin))
	_, after, ended := bytes.Cut(rest, []byte(blockEnd))
	if !begun || !ended || bytes.Contains(rest, []byte(blockBegin)) || bytes.Contains(after, []byte(blockEnd)) {
		return errNoBlock
	}
	whole := bytes.Join([][]byte{before, []byte(blockBegin), tables, []byte(blockEnd), after}, nil)
	return os.WriteFile(file, whole, 0o644) //nolint:gosec // named on the command line, for everybody to read
}
