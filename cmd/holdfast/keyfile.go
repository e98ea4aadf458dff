package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// keyFile is the file of the key to rotate. It holds a secret alone, whose client id is known from elsewhere; or the client id on its
// first line and the secret below it, so that a key with another client id takes the place of both at once.
type keyFile struct {
	path     string
	clientID string // of a secret alone; empty if the file has it
}

func (f keyFile) hasClientID() bool { return f.clientID == "" }

// read refuses what others can read, as readSecretFile does. No error quotes the file: what is on the wrong line may be the secret.
func (f keyFile) read() (session.Credentials, error) {
	if !f.hasClientID() {
		secret, err := readSecretFile(f.path)
		return session.Credentials{ClientID: f.clientID, Secret: secret}, err
	}
	text, err := readPrivateFile(f.path)
	if err != nil {
		return session.Credentials{}, err
	}
	defer clear(text)
	id, secret, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	id, secret = bytes.TrimSpace(id), bytes.TrimSpace(secret)
	if !isClientID(id) || len(secret) <= len(id) { // a secret is the longer one of the two
		return session.Credentials{}, fmt.Errorf("credentials file %s: should hold the client id on its first line, "+
			"and the secret or the private key in PEM below it", f.path)
	}
	return session.Credentials{ClientID: string(id), Secret: session.NewSecret(secret)}, nil
}

func isClientID(text []byte) bool {
	return len(text) > 0 && !bytes.ContainsAny(text, " \t:") && !bytes.HasPrefix(text, []byte("-----"))
}

// write replaces the file: wholly or, if anything fails, not at all.
func (f keyFile) write(c session.Credentials) error {
	secret := c.Secret.Reveal()
	defer clear(secret)
	if !f.hasClientID() {
		if c.ClientID != f.clientID { // somebody else has replaced the key, with the same journal
			return fmt.Errorf("secret file %s: is left alone: the key has another client id now, %s", f.path, c.ClientID)
		}
		return writeSecretFile(f.path, secret)
	}
	text := slices.Concat([]byte(c.ClientID), []byte("\n"), secret, []byte("\n"))
	defer clear(text)
	return writeSecretFile(f.path, text)
}

// copyist has the key's file follow what is published. The rotator's goroutine alone uses it, until the rotator has ended.
type copyist struct {
	file    keyFile
	overlap time.Duration
	told    io.Writer
	last    session.Credentials
	err     error // why the file does not have the last ones
}

// write writes later credentials than the first. These may be better than what the file has, which the exchange refuses just now: but
// that may be nowhere else.
func (w *copyist) write(c session.Credentials) {
	if c.Generation == w.last.Generation {
		return
	}
	if w.err = w.file.write(c); w.err == nil && c.ClientID != w.last.ClientID {
		_, _ = fmt.Fprintf(w.told, "%s now has client id %s and its secret. %s works for %v more.\n", w.file.path, c.ClientID, w.last.ClientID, w.overlap)
	}
	w.last = c
}
