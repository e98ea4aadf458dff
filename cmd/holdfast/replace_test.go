package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// TestReplace types the same command twice: each time another key takes the place of the last one, and the file has it.
func TestReplace(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"secret", "ed25519", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deribittest.Config{}, deribittest.KeyConfig{}, kind)
			before := d.credentials(t)
			for range 2 {
				code, out, errOut := d.run(t)
				if code != 0 {
					t.Fatalf("exit code %d\n%s%s", code, out, errOut)
				}
				after := d.alone(t)
				if after.ClientID == before.ClientID || after.Secret.Equal(before.Secret) {
					t.Errorf("%s has taken the place of %s", after.ClientID, before.ClientID)
				}
				if !strings.HasSuffix(out, "\nThe client id is now "+after.ClientID+".\n") ||
					!strings.Contains(errOut, d.path+" now has client id "+after.ClientID+" and its secret. "+before.ClientID+" works for 10ms more.\n") {
					t.Errorf("said\n%s%s", out, errOut)
				}
				if _, err := after.Secret.PublicKey(); (err == nil) != (kind != "secret") {
					t.Errorf("the new key's secret: %v", err)
				}
				before = after
			}
		})
	}
}

// TestReplaceBySecondKey: a key that may not manage keys is replaced by one that may.
func TestReplaceBySecondKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deribittest.Config{}, deribittest.KeyConfig{Scope: "account:read trade:read_write"}, "secret")
	code, out, errOut := d.run(t)
	if code != 1 || !strings.Contains(errOut, "A replacement needs account:read_write") || !strings.Contains(errOut, "Nothing was changed.") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	d.alone(t)
	code, out, errOut = d.run(t, withAdmin(t, d.server)...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out, errOut)
	}
	if ids := d.clientIDs(t, d.credentials(t)); len(ids) != 2 || slices.Contains(ids, d.key.ClientID) {
		t.Errorf("keys %v", ids)
	}
}

// TestReplaceAsksForTheSecondFactor: who gives no code, for the list of keys or for the new key, has not begun.
func TestReplaceAsksForTheSecondFactor(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deribittest.Config{}, deribittest.KeyConfig{SecondFactor: true}, "secret")
	for codes := range 2 {
		code, out, errOut := d.runWith(t, codes)
		if code != 1 || !strings.Contains(errOut, "no code was given") || !strings.Contains(out, ": aborted in") {
			t.Errorf("exit code %d\n%s%s", code, out, errOut)
		}
		if d.credentials(t).ClientID != d.key.ClientID {
			t.Error("the file has another key")
		}
		if code, _, errOut = d.runWith(t, 0, "-dry-run"); code != 1 || strings.Contains(errOut, "unfinished") {
			t.Errorf("exit code %d\n%s", code, errOut)
		}
	}
	if code, out, errOut := d.run(t); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	d.alone(t)
}

// TestResetWithACredentialsFile: the client id stays where it is.
func TestResetWithACredentialsFile(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deribittest.Config{}, deribittest.KeyConfig{}, "secret")
	for range 2 {
		before := d.credentials(t)
		code, out, errOut := d.run(t, "-strategy", "reset", "-accept-lockout")
		if after := d.alone(t); code != 0 || after.ClientID != before.ClientID || after.Secret.Equal(before.Secret) {
			t.Errorf("exit code %d\n%s%s", code, out, errOut)
		}
	}
}

// TestResetOfAnAsymmetricKey says what to type, and that works.
func TestResetOfAnAsymmetricKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deribittest.Config{}, deribittest.KeyConfig{}, "ed25519")
	code, out, errOut := d.run(t, "-strategy", "reset", "-accept-lockout")
	if code != 1 || !strings.HasSuffix(errOut, "it can be replaced: add -strategy replace\n") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	if code, out, errOut = d.run(t); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	d.alone(t)
}

// TestHowToReplace does what the command says to one who has the client id in an argument.
func TestHowToReplace(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	code, _, errOut := invoke(t, "", "rotate", "-strategy", "replace", "-client-id", key.ClientID, "-secret-file", path)
	lines := strings.Split(errOut, "\n")
	if code != 2 || len(lines) != 5 {
		t.Fatalf("exit code %d\n%s", code, errOut)
	}
	if said, err := exec.CommandContext(t.Context(), "sh", "-c", lines[1]).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v, %s", lines[1], err, said)
	}
	args := strings.Fields(lines[2])[1:]
	d := &desk{server: server, key: key, path: path + ".credentials", args: append(args, "-url", server.URL(), "-overlap", "1ms")}
	if code, out, errOut := d.run(t); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	d.alone(t)
	// With the old arguments the journal is known not to be of the old key any more, and again the error says what to type.
	args = []string{"rotate", "-accept-lockout", "-url", server.URL(), "-secret-file", path, "-client-id"}
	now := d.credentials(t).ClientID
	code, _, errOut = invoke(t, "", append(args, key.ClientID)...)
	if code != 1 || !strings.HasSuffix(errOut, "client id "+now+" has taken the place of "+key.ClientID+": type -client-id "+now+"\n") {
		t.Errorf("exit code %d\n%s", code, errOut)
	}
	if code, _, errOut = invoke(t, "", append(args, now)...); code != 0 || !accepts(t, server, now, path) {
		t.Errorf("exit code %d\n%s", code, errOut)
	}
}

// TestReplaceDryRun changes nothing, and says what is in the way.
func TestReplaceDryRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deribittest.Config{}, deribittest.KeyConfig{}, "secret")
	before := d.text(t)
	code, out, errOut := d.run(t, "-dry-run")
	if code != 0 || !strings.Contains(out, ": checked in") || !strings.Contains(errOut, "Nothing is in the way of a replacement. The exchange will ask for a second factor.") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	for range 7 {
		d.server.AddKey(deribittest.KeyConfig{})
	}
	code, out, errOut = d.run(t, "-dry-run")
	if code != 1 || !strings.Contains(errOut, "the account has 8 keys, and no place for another one") || !strings.Contains(errOut, "a free place among") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	if d.text(t) != before || d.created() != 0 {
		t.Errorf("the file was changed, or %d keys were created", d.created())
	}
	if code, out, errOut = d.run(t, "-dry-run", "-strategy", "reset", "-accept-lockout"); code != 0 || !strings.Contains(out, ": checked in") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	if n := d.server.Stats().Calls["private/reset_api_key"]; n != 0 {
		t.Errorf("%d resets", n)
	}
}

// TestReplaceWithAForeignJournal is refused before anything is done, and so is a file whose lines are not what they should be.
func TestReplaceWithAForeignJournal(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deribittest.Config{}, deribittest.KeyConfig{}, "secret")
	if code, out, errOut := d.run(t, "-dry-run"); code != 0 { // which makes the journal
		t.Fatalf("exit code %d\n%s%s", code, out, errOut)
	}
	other := d.server.AddKey(deribittest.KeyConfig{Name: "other"})
	if err := writeSecretFile(d.path, []byte(other.ClientID+"\n"+other.Secret)); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := d.run(t)
	if code != 1 || !strings.Contains(errOut, "is of client id "+d.key.ClientID+": give each key a journal of its own; if "+other.ClientID) {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	private, _ := pemPair(t, "ed25519")
	for name, text := range map[string]string{
		"a secret alone": other.Secret, "a private key alone": private, "the wrong way round": other.Secret + "\n" + other.ClientID,
		"a client id alone": other.ClientID, "white space": " \n\n", "assignments": "client_id: " + other.ClientID + "\n" + other.Secret,
	} {
		if err := writeSecretFile(d.path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		code, out, errOut := invoke(t, "", d.args...)
		if code != 1 || !strings.Contains(errOut, "should hold the client id on its first line") {
			t.Errorf("%s: exit code %d\n%s%s", name, code, out, errOut)
		}
		d.assertQuiet(t, out+errOut)
	}
	if d.created() != 0 {
		t.Errorf("%d keys were created", d.created())
	}
}
