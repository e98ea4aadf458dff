package filestore_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate"
)

// later are files of later versions: the record has a member that this one does not know, and the format may be another too.
func later(t *testing.T) (files map[string][]byte) {
	t.Helper()
	next := record(2)
	next.Version = 2
	payload, err := rotate.EncodeRecord(next)
	if err != nil {
		t.Fatal(err)
	}
	known := bytes.Clone(payload)
	return map[string][]byte{
		"a member":  sealed("holdfast-secret-v1", append(bytes.TrimSuffix(payload, []byte("}")), `,"later":1}`...)),
		"a format":  sealed("holdfast-secret-v2", []byte("CANARY-later, of which nothing\nis known")),
		"a meaning": sealed("holdfast-secret-v10", known),
	}
}

// TestLaterVersion: a file that a newer version has written is whole. It is not called damaged, nor is anybody told to move it away: the
// candidates in it would be lost.
func TestLaterVersion(t *testing.T) {
	t.Parallel()
	for name, text := range later(t) {
		path := safePath(t)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, path)
		_, loaded := s.Load(t.Context())
		_, saved := s.Save(t.Context(), record(3), 2)
		for _, err := range []error{loaded, saved} {
			if !errors.Is(err, rotate.ErrCorrupt) || !strings.Contains(err.Error(), "newer version") || !strings.Contains(err.Error(), path) ||
				strings.Contains(err.Error(), "move") || strings.Contains(err.Error(), "damaged") || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, text) {
			t.Errorf("%s: the file was touched, %v", name, err)
		}
	}
}

// TestLaterVersionLeft: a newer version has died before its file had its name: it may hold the only copy of a secret, and stays.
func TestLaterVersionLeft(t *testing.T) {
	t.Parallel()
	for name, text := range later(t) {
		path := safePath(t)
		s := create(t, path)
		left := filepath.Join(filepath.Dir(path), ".key.new")
		if err := os.WriteFile(left, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(t.Context()); !errors.Is(err, rotate.ErrCorrupt) || !strings.Contains(err.Error(), "newer version") {
			t.Errorf("%s: %v", name, err)
		}
		if now, err := os.ReadFile(left); err != nil || !bytes.Equal(now, text) {
			t.Errorf("%s: what was left is gone, %v", name, err)
		}
	}
}
