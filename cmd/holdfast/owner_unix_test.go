//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestForeignFileIsRefused: the owner of such a file could not read what would take its place.
func TestForeignFileIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(privateDir(t), "secret")
	if err := os.WriteFile(path, []byte("CANARY-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecretFile(path); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 { // nobody else can give a file away
		info, err := os.Stat("/")
		if err != nil {
			t.Fatal(err)
		}
		if checkOwner(info) == nil {
			t.Error("the root directory passes for this user's")
		}
		return
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecretFile(path); err == nil || !strings.Contains(err.Error(), "belongs to somebody else") {
		t.Errorf("error: %v", err)
	}
}
