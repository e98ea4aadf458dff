package main

import (
	"os"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// TestRotateGoesOnWithTheJournal: the exchange refuses what the secret file holds, and takes what the journal holds. The file is
// left alone until there is a new secret to put there: what it holds may be nowhere else.
func TestRotateGoesOnWithTheJournal(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	args := []string{"rotate", "-accept-lockout", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path}
	if exit, out, errOut := invoke(t, "", args...); exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
	const refused = "refused-just-now"
	if err := writeSecretFile(path, []byte(refused)); err != nil {
		t.Fatal(err)
	}
	exit, out, errOut := invoke(t, "", append(args, "-key-id", "99")...)
	if exit != 1 || !strings.Contains(errOut, "Config.KeyID is 99") {
		t.Errorf("exit code %d\n%s%s", exit, out, errOut)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != refused {
		t.Errorf("the secret file was overwritten, without a rotation: %v", err)
	}
	exit, out, errOut = invoke(t, "", args...)
	if exit != 0 || !strings.Contains(errOut, "The exchange refuses the secret in "+path) || !accepts(t, server, key.ClientID, path) {
		t.Errorf("exit code %d\n%s%s", exit, out, errOut)
	}
}

// TestJournalOfAnotherKey is refused before anything is done with it.
func TestJournalOfAnotherKey(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	if exit, out, errOut := invoke(t, "", "rotate", "-accept-lockout", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path); exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
	other := server.AddKey(deribittest.KeyConfig{Name: "other"})
	exit, out, errOut := invoke(t, "", "rotate", "-accept-lockout", "-url", server.URL(), "-client-id", other.ClientID, "-secret-file", path)
	if exit != 1 || !strings.Contains(errOut, "is of client id "+key.ClientID+": give each key a journal of its own") {
		t.Errorf("exit code %d\n%s%s", exit, out, errOut)
	}
}
