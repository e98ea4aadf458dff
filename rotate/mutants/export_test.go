package main

import "io"

// Mutant is an edit; Results are what became of some.
type (
	Mutant  = mutant
	Results = []result
)

// NewMutant edits rotate/x.go.
func NewMutant(name, old, with string) Mutant {
	return mutant{name: name, breaks: "R0", file: "rotate/x.go", old: old, new: with}
}

// What the program is made of.
var (
	Baseline     = baseline
	InDirectory  = inDirectory
	Chosen       = chosen
	RunAll       = runAll
	PrintList    = printList
	PrintResults = printResults
)

// FirstFailure reads what go test -json prints.
func FirstFailure(out io.Reader) (string, error) { return firstFailure(out) }
