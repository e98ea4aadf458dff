//go:build unix

package filestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

func TestMode(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	s := create(t, path)
	for version := range uint64(2) {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if _, err := s.Save(t.Context(), record(2), version+1); err != nil {
			t.Error(err)
		}
	}
}

// TestPermissions: what others could read or replace is refused, with what to do, and left alone.
func TestPermissions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		spoil      func(path string) error
	}{
		{"group may read", "chmod 600", func(p string) error { return os.Chmod(p, 0o640) }},
		{"all may read", "chmod 600", func(p string) error { return os.Chmod(p, 0o604) }},
		{"group may write", "chmod 600", func(p string) error { return os.Chmod(p, 0o620) }},
		{"hard link", "second name", func(p string) error { return os.Link(p, p+"2") }},
		{"symbolic link", "symbolic link", func(p string) error {
			return errors.Join(os.Rename(p, p+"2"), os.Symlink(p+"2", p))
		}},
		{"link within", "symbolic link", func(p string) error {
			return errors.Join(os.Rename(p, p+"2"), os.Symlink(filepath.Base(p)+"2", p))
		}},
		{"directory", "no regular file", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }},
		{"directory that all may write to", "chmod 700", func(p string) error { return os.Chmod(filepath.Dir(p), 0o707) }},
		{"directory that the group may write to", "chmod 700", func(p string) error { return os.Chmod(filepath.Dir(p), 0o770) }},
		{"link where the new file goes", "symbolic link", func(p string) error {
			return os.Symlink("/etc/passwd", filepath.Join(filepath.Dir(p), "."+filepath.Base(p)+".new"))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := safePath(t)
			s := create(t, path)
			if err := test.spoil(path); err != nil {
				t.Fatal(err)
			}
			_, loaded := s.Load(t.Context())
			_, saved := s.Save(t.Context(), record(2), 1)
			for _, err := range []error{loaded, saved} {
				if !errors.Is(err, filestore.ErrPermissions) || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "CANARY") {
					t.Errorf("error: %v", err)
				}
			}
		})
	}
}
