package main

import (
	"os"
	"strings"
	"testing"
)

// TestREADME holds the README to the quick start that compiles.
func TestREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(readme), "<!-- quickstart -->\n```go\n")
	if !found {
		t.Fatal("the README has no quick start")
	}
	block, _, _ = strings.Cut(block, "```\n")
	_, want, _ := strings.Cut(string(program), "package main\n")
	if want = "package main\n" + want; block != want {
		t.Errorf("the README's quick start is not examples/quickstart/main.go; it should be:\n%s", want)
	}
}
