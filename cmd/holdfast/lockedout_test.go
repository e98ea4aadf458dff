package main

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// TestRotateLockedOut: a crash has lost the reply to a reset, and the command says how a person brings it back.
func TestRotateLockedOut(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	secret := session.NewSecret([]byte(key.Secret))
	_, err := filestore.Create(t.Context(), path+".journal", rotate.Record{
		KeyID: key.ID, ClientID: key.ClientID,
		Current: rotate.Candidate{Secret: secret, Generation: 1},
		Intent:  &rotate.Intent{ID: "LOST", Started: time.Now()},
	})
	if err != nil {
		t.Fatal(err)
	}
	reset(t, server, session.Credentials{ClientID: key.ClientID, Secret: secret}, key.ID)

	args := []string{"rotate", "-accept-lockout", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path}
	exit, out, errOut := invoke(t, "", args...)
	if exit != 1 || !strings.Contains(errOut, "locked out of key") || !strings.Contains(errOut, "put its new secret into "+path) {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
	now, _ := server.Key(key.ID)
	if err := writeSecretFile(path, []byte(now.Secret)); err != nil {
		t.Fatal(err)
	}
	if exit, out, errOut = invoke(t, "", args...); exit != 0 || !accepts(t, server, key.ClientID, path) {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
	assertNoSecret(t, server, out+errOut)
}

// TestDryRunAfterAPersonsReset: the journal does not have the secret that a person has put into the key's file. A dry run leaves that to the
// command, and says so in its terms.
func TestDryRunAfterAPersonsReset(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	args := []string{"rotate", "-accept-lockout", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path}
	if exit, out, errOut := invoke(t, "", args...); exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
	now, _ := server.Key(key.ID)
	reset(t, server, session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(now.Secret))}, key.ID)
	now, _ = server.Key(key.ID)
	if err := writeSecretFile(path, []byte(now.Secret)); err != nil {
		t.Fatal(err)
	}
	exit, out, errOut := invoke(t, "", append(args, "-dry-run")...)
	if exit != 1 || !strings.Contains(errOut, "without -dry-run") || strings.Contains(out+errOut, "Recover") {
		t.Errorf("exit code %d\n%s%s", exit, out, errOut)
	}
	if exit, out, errOut = invoke(t, "", args...); exit != 0 || !accepts(t, server, key.ClientID, path) {
		t.Errorf("exit code %d\n%s%s", exit, out, errOut)
	}
}

// reset resets a key whose new secret nobody keeps.
func reset(t *testing.T, server *deribittest.Server, creds session.Credentials, id int64) {
	t.Helper()
	s, err := session.Dial(t.Context(), session.Config{URL: server.URL(), Credentials: creds})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Call(t.Context(), "private/reset_api_key", map[string]any{"id": id}, nil); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
