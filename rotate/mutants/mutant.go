package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
)

// mutant is an edit that breaks a promise.
type mutant struct {
	name   string
	breaks string // the promise
	file   string // in the module, with slashes
	old    string // what is found there, once
	new    string // what takes its place
}

// packages are those whose tests should notice.
func (m mutant) packages() []string {
	own := "./" + path.Dir(m.file)
	if own == "./rotate" || strings.Contains(own, "store") {
		return []string{own}
	}
	return []string{own, "./rotate"}
}

// edited returns the file's text with the edit.
func (m mutant) edited() ([]byte, error) {
	text, err := fs.ReadFile(os.DirFS("."), m.file)
	if err != nil {
		return nil, fmt.Errorf("mutants: %s: %w", m.name, err)
	}
	if n := bytes.Count(text, []byte(m.old)); n != 1 {
		return nil, fmt.Errorf("mutants: %s: %s has its text %d times: has the code changed?", m.name, m.file, n)
	}
	return bytes.Replace(text, []byte(m.old), []byte(m.new), 1), nil
}

// test returns the first test that fails, empty if all pass.
func (m mutant) test(ctx context.Context, limit time.Duration) (killer string, err error) {
	return inDirectory(func(dir string) (string, error) {
		overlay, err := m.overlay(dir)
		if err != nil {
			return "", err
		}
		return tests{dir, overlay, limit}.run(ctx, m.packages())
	})
}

// inDirectory gives fn a directory for a while.
func inDirectory(fn func(dir string) (string, error)) (_ string, err error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	defer func() { err = errors.Join(err, remove(dir)) }()
	return fn(dir)
}

// remove removes a directory into which the processes that a killed test had begun may write a while longer.
func remove(dir string) error {
	waits := retry.Backoff(10*time.Millisecond, time.Second)
	for range 30 {
		if os.RemoveAll(dir) == nil {
			return nil
		}
		<-time.After(waits.NextBackOff())
	}
	return os.RemoveAll(dir)
}

// overlay writes the edited file, and what tells the go command of it.
func (m mutant) overlay(dir string) (string, error) {
	text, err := m.edited()
	if err != nil {
		return "", err
	}
	original, err := filepath.Abs(filepath.FromSlash(m.file))
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	edited := filepath.Join(dir, path.Base(m.file))
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: edited}})
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, errors.Join(os.WriteFile(edited, text, 0o600), os.WriteFile(overlay, list, 0o600))
}
