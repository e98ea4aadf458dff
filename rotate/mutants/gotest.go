package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// tests are those of some packages with a mutant.
type tests struct {
	dir     string // where binaries go, and what the tests write
	overlay string // empty for none
	limit   time.Duration
}

// run returns the first test that fails, and lets none run after it. Its error says that the tests could not be run: a mutant that
// does not compile proves nothing.
func (t tests) run(ctx context.Context, packages []string) (failed string, err error) {
	for _, p := range packages {
		binary := filepath.Join(t.dir, path.Base(p)+".test")
		build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay="+t.overlay, "-o", binary, p) //nolint:gosec // of the list
		if said, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("mutants: it does not compile: %w\n%s", err, said)
		}
		failed, err := t.runBinary(ctx, binary, p)
		if failed != "" || err != nil {
			return path.Base(p) + "." + failed, err
		}
	}
	return "", nil
}

// runBinary runs a package's tests, and kills them when one fails.
func (t tests) runBinary(ctx context.Context, binary, dir string) (failed string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	command := exec.CommandContext(ctx, binary, "-test.v", "-test.failfast", "-test.timeout="+t.limit.String()) //nolint:gosec // built above
	command.Dir = filepath.FromSlash(dir)
	command.Env = append(os.Environ(), "TMPDIR="+t.dir)
	out, write, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	command.Stdout, command.Stderr = write, write
	if err := errors.Join(command.Start(), write.Close()); err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	failed, read := firstFailure(out)
	interrupted := ctx.Err()
	if failed != "" || read != nil {
		cancel()
	}
	ended := command.Wait()
	if failed == "" && ended != nil {
		failed = "TestMain"
	}
	return failed, errors.Join(read, interrupted)
}

// firstFailure reads until a test has failed, and returns its name, or what ended all. Of a time that was over it is the test that
// hung, and since when.
func firstFailure(out io.Reader) (failed string, err error) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	late := false
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		name, ok := strings.CutPrefix(line, "--- FAIL: ")
		switch {
		case ok:
			name, _, _ = strings.Cut(name, " ")
			return name, nil
		case late && strings.HasPrefix(line, "Test"):
			return "hangs: " + line, nil
		case strings.HasPrefix(line, "panic: test timed out"):
			late = true
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
			return line, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("mutants: what the tests print: %w", err)
	}
	return "", nil
}
