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
)

// goTest returns the first test that fails, and lets none run after it. Its error says that the tests could not be run: a mutant
// that does not compile proves nothing. What the tests write goes to dir.
func goTest(ctx context.Context, dir, overlay string, packages []string) (failed string, err error) {
	for _, p := range packages {
		binary := filepath.Join(dir, path.Base(p)+".test")
		build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", binary, p) //nolint:gosec // of the list
		if said, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("mutants: it does not compile: %w\n%s", err, said)
		}
		failed, err := runTests(ctx, binary, p)
		if failed != "" || err != nil {
			return path.Base(p) + "." + failed, err
		}
	}
	return "", nil
}

// runTests runs a package's tests, and kills them when one fails.
func runTests(ctx context.Context, binary, dir string) (failed string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tests := exec.CommandContext(ctx, binary, "-test.v", "-test.failfast", "-test.timeout=2m")
	tests.Dir = filepath.FromSlash(dir)
	tests.Env = append(os.Environ(), "TMPDIR="+filepath.Dir(binary))
	out, write, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	tests.Stdout, tests.Stderr = write, write
	if err := errors.Join(tests.Start(), write.Close()); err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	failed, read := firstFailure(out)
	interrupted := ctx.Err()
	if failed != "" || read != nil {
		cancel()
	}
	ended := tests.Wait()
	if failed == "" && ended != nil {
		failed = "TestMain"
	}
	return failed, errors.Join(read, interrupted)
}

// firstFailure reads until a test has failed, and returns its name or the panic that ended all.
func firstFailure(out io.Reader) (failed string, err error) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if name, ok := strings.CutPrefix(line, "--- FAIL: "); ok {
			name, _, _ = strings.Cut(name, " ")
			return name, nil
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("mutants: what the tests print: %w", err)
	}
	return "", nil
}
