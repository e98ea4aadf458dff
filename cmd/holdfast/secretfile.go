package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/holdfast-ws/holdfast/session"
)

// maxSecretFile bounds what is read: a secret is short, a private key of RSA takes 3 KiB, and what is longer is neither.
const maxSecretFile = 4 << 10

// readSecretFile reads a file that holds a secret and nothing else but white space around it. It refuses a file that others
// than its owner can read.
func readSecretFile(path string) (session.Secret, error) {
	text, err := readPrivateFile(path)
	if err != nil {
		return session.Secret{}, err
	}
	defer clear(text)
	secret := session.NewSecret(bytes.TrimSpace(text))
	if secret.IsZero() {
		return session.Secret{}, fmt.Errorf("secret file %s: is empty", path)
	}
	return secret, nil
}

// readPrivateFile reads a file that nobody but its owner can read. The text is the caller's to clear.
func readPrivateFile(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("secret file %s: is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return nil, fmt.Errorf("secret file %s: others can read it (mode %04o): chmod 600 it", path, info.Mode().Perm())
	case info.Size() > maxSecretFile:
		return nil, fmt.Errorf("secret file %s: is %d bytes long: it should hold a client secret or a private key and nothing else", path, info.Size())
	}
	if err := checkOwner(info); err != nil {
		return nil, fmt.Errorf("secret file %s: %w", path, err)
	}
	return os.ReadFile(path) //nolint:gosec // the path is the user's
}

// writeSecretFile replaces the file by one that holds the secret: wholly or not at all. An error that says so comes when it is
// replaced, and a power cut may undo that.
func writeSecretFile(path string, secret []byte) (err error) {
	if info, statErr := os.Lstat(path); statErr == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("secret file %s: is not a regular file", path)
	} else if statErr != nil && !errors.Is(statErr, fs.ErrNotExist) {
		return statErr
	}
	dir := filepath.Dir(path)
	temporary, err := os.CreateTemp(dir, ".secret-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name())
		}
	}()
	_, err = temporary.Write(secret)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err != nil {
		return fmt.Errorf("secret file %s: %w", path, err)
	}
	if err = os.Rename(temporary.Name(), path); err != nil {
		return err
	}
	if syncErr := syncDir(dir); syncErr != nil {
		return fmt.Errorf("secret file %s: is replaced, but a power cut may undo that: %w", path, syncErr)
	}
	return nil
}

// syncDir makes a rename in dir durable, where directories can be synced.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir) //nolint:gosec // the path is the user's
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
