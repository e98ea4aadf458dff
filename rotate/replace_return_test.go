package rotate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// manage has somebody do something to a key.
func manage(t *testing.T, admin *session.Session, method string, id int64) {
	t.Helper()
	if err := admin.Call(t.Context(), method, map[string]int64{"id": id}, nil); err != nil {
		t.Error(err)
	}
}

// returned fails the test unless the bench's key is the only one beside the admin's, and all use it again.
func (b *bench) returned(t *testing.T, admin *session.Session, generation uint64) {
	t.Helper()
	b.agree(t, generation)
	if record, err := b.store.Load(t.Context()); err != nil || record.Replacement != nil || record.ClientID != b.key.ClientID {
		t.Errorf("stored: %+v, %v", record, err)
	}
	if keys := keysAt(t, admin); len(keys) != 2 {
		t.Errorf("the account has the keys %d", keys)
	}
}

// TestReplaceNewKeyGone: the new key is the current one, and somebody disables or removes it before the old one is removed. Recover makes the
// old one the current one again, in a process whose sessions live on, and in one that has none yet, whichever key that knows of.
func TestReplaceNewKeyGone(t *testing.T) {
	for _, method := range []string{"private/disable_api_key", "private/remove_api_key"} {
		for _, first := range []pair{{}, newEd25519()} {
			for _, process := range []string{"lives on", "starts with the old key", "starts with the new key"} {
				t.Run(fmt.Sprintf("%s, asymmetric %v, %s", method, first.public != "", process), func(t *testing.T) {
					synctest.Test(t, lossOfTheNewKey{method, first, process}.recover)
				})
			}
		}
	}
}

type lossOfTheNewKey struct {
	method  string
	first   pair   // the old key, if it is asymmetric
	process string // that recovers
}

func (l lossOfTheNewKey) recover(t *testing.T) {
	b, template := memoryBenchWith(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader", PublicKey: l.first.public}, l.first.private)
	defer b.close(t)
	admin, leave := b.admin(t, template)
	defer leave()
	old := b.keyring.Current()
	promoted := b.crashAt(t, "promoted", template)
	manage(t, admin, l.method, promoted.KeyID)
	<-time.After(2 * time.Minute) // the lease of the dead
	keyring := b.keyring
	switch l.process {
	case "starts with the old key":
		keyring = rotate.NewKeyring(old)
	case "starts with the new key":
		keyring = rotate.NewKeyring(promoted.Credentials())
	}
	r := b.second(t, template, func(c *rotate.Config) {
		c.Keyring, c.Authority = keyring, admin
		if keyring != b.keyring {
			c.Sessions = nil
		}
	})
	report, err := r.Recover(t.Context())
	if err != nil || report.Outcome != rotate.Recovered || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], promoted.ClientID) {
		t.Fatalf("%v\n%v", err, report)
	}
	if now := keyring.Current(); now.ClientID != old.ClientID || !now.Secret.Equal(old.Secret) || now.Generation != 3 {
		t.Errorf("the keyring has %s, generation %d", now.ClientID, now.Generation)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	again := b.second(t, template, func(*rotate.Config) {})
	if report, err := again.Recover(t.Context()); err != nil || len(report.Warnings) != 0 {
		t.Errorf("%v\n%v", err, report)
	}
	b.returned(t, admin, 3)
	if _, err := again.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
	b.replaced(t, 4)
	if err := again.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestReplaceNewKeyGoneMeanwhile: somebody disables the new key while the old one waits for its removal: that is kept, and Recover comes back
// to it.
func TestReplaceNewKeyGoneMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		admin, leave := b.admin(t, template)
		defer leave()
		r := b.second(t, template, func(c *rotate.Config) { c.Authority = admin })
		time.AfterFunc(30*time.Second, func() { // of the 60 of Config.Overlap
			record, err := b.store.Load(t.Context())
			if err != nil {
				t.Error(err)
			}
			manage(t, admin, "private/disable_api_key", record.KeyID)
		})
		_, err := r.Rotate(t.Context())
		left, ok := errors.AsType[*rotate.LeftoverKeyError](err)
		if !ok || left.KeyID != b.key.ID || !strings.Contains(err.Error(), "call Recover, which makes it the current one again") {
			t.Fatalf("the error is %v", err)
		}
		b.left(t, b.key)
		if _, err := r.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.returned(t, admin, 3)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReplaceBothKeysGone: where neither key works Recover says locked out, and forgets neither: whichever a person has enabled again is the
// current one then.
func TestReplaceBothKeysGone(t *testing.T) {
	for _, enabled := range []string{"old", "new"} {
		t.Run(enabled, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { loseBothKeys(t, enabled) })
		})
	}
}

func loseBothKeys(t *testing.T, enabled string) {
	t.Helper()
	b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
	defer b.close(t)
	admin, leave := b.admin(t, template)
	defer leave()
	promoted := b.crashAt(t, "promoted", template)
	keys := map[string]int64{"old": b.key.ID, "new": promoted.KeyID}
	for _, id := range keys {
		manage(t, admin, "private/disable_api_key", id)
	}
	<-time.After(2 * time.Minute)
	r := b.second(t, template, func(c *rotate.Config) { c.Authority = admin })
	_, err := r.Recover(t.Context())
	if _, locked := errors.AsType[*rotate.LockedOutError](err); !locked {
		t.Fatalf("the error is %v", err)
	}
	b.left(t, b.key)
	manage(t, admin, "private/enable_api_key", keys[enabled])
	if _, err := r.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if enabled == "new" {
		b.replaced(t, 2)
	} else {
		b.returned(t, admin, 3)
	}
}
