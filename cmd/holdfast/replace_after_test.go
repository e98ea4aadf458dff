package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// TestReplaceWithoutTheFile: a file that cannot be written keeps its key, and the next run writes it.
func TestReplaceWithoutTheFile(t *testing.T) {
	t.Parallel()
	var wire tripwire
	d := newDesk(t, deribittest.Config{OnFrame: wire.frame}, deribittest.KeyConfig{}, "secret")
	away := d.path + ".away"
	wire.set(asked("private/create_api_key"), 1, func() {
		if err := os.Rename(d.path, away); err != nil {
			t.Error(err)
		}
		if err := os.Mkdir(d.path, 0o700); err != nil {
			t.Error(err)
		}
	})
	code, out, errOut := d.run(t)
	if code != 1 || strings.Count(errOut, "is not a regular file") != 1 || !strings.Contains(errOut, "but the old key") ||
		!strings.Contains(errOut, "run the same command again") || strings.Contains(errOut, " now has client id ") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	if err := os.Remove(d.path); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(away, d.path); err != nil {
		t.Fatal(err)
	}
	if ids := d.clientIDs(t, d.credentials(t)); len(ids) != 2 {
		t.Errorf("the account has keys %v", ids)
	}
	code, out, errOut = d.run(t)
	if code != 0 || !strings.Contains(errOut, d.path+" had client id "+d.key.ClientID+", which was replaced") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	d.alone(t)
}

// TestJournalThatIsRefused: the file is behind its journal, but the exchange does not take what that has. The file is left alone.
func TestJournalThatIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deribittest.Config{}, deribittest.KeyConfig{}, "secret")
	before := d.text(t)
	if code, out, errOut := d.run(t); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out, errOut)
	}
	d.call(t, d.credentials(t), "private/disable_api_key", map[string]int64{"id": 2}, nil) // as on the exchange's website
	if err := writeSecretFile(d.path, []byte(before)); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := d.run(t)
	if code != 1 || !strings.Contains(errOut, "has taken the place of "+d.key.ClientID+", and is refused: enable it") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	if d.text(t) != before {
		t.Error("the file was overwritten")
	}
}

// TestReplacedKeyIsDisabled: a crash has left two keys, and somebody has disabled the old one. The new one is used nevertheless.
func TestReplacedKeyIsDisabled(t *testing.T) {
	t.Parallel()
	var wire tripwire
	d := newDesk(t, deribittest.Config{OnFrame: wire.frame}, deribittest.KeyConfig{}, "secret")
	d.killed(t, &wire, d.newLogin(), 1)
	d.age(t)
	key := d.server.AddKey(deribittest.KeyConfig{Name: "admin"})
	admin := session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))}
	d.call(t, admin, "private/disable_api_key", map[string]int64{"id": d.key.ID}, nil)
	if code, out, errOut := d.run(t); code != 0 || !strings.Contains(errOut, "That one is finished.") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	if ids := d.clientIDs(t, d.credentials(t)); len(ids) != 2 || slices.Contains(ids, d.key.ClientID) {
		t.Errorf("keys %v", ids)
	}
}

// TestInterruptInTheOverlap: both keys work then, the file has the new one, and the next run removes the old one.
func TestInterruptInTheOverlap(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deribittest.Config{}, deribittest.KeyConfig{}, "secret")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	said, stderr := io.Pipe()
	exited := make(chan int, 1)
	go func() {
		exited <- run(ctx, streams{strings.NewReader(""), io.Discard, stderr}, append(slices.Clone(d.args), "-overlap", "1h"))
		stderr.Close()
	}()
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), d.key.ClientID+" works for 1h0m0s more.") {
			break
		}
	}
	interrupt()
	rest, err := io.ReadAll(said)
	if err != nil {
		t.Fatal(err)
	}
	if code := <-exited; code != 1 || !strings.Contains(string(rest), "run the same command again") {
		t.Errorf("exit code %d: %s", code, rest)
	}
	if now := d.credentials(t); now.ClientID == d.key.ClientID || len(d.clientIDs(t, now)) != 2 {
		t.Errorf("the file has %s", now.ClientID)
	}
	if code, out, errOut := d.run(t); code != 0 || !strings.Contains(errOut, "That one is finished.") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	d.alone(t)
}
