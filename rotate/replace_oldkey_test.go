package rotate_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// TestReplaceOldKeyGone cuts the store off at every save of a replacement, and then has somebody disable or remove the old key: whenever
// the store has a new key, Recover makes it the current one, in a process whose sessions live on, and in one that has none yet.
func TestReplaceOldKeyGone(t *testing.T) {
	for _, method := range []string{"private/disable_api_key", "private/remove_api_key"} {
		for _, first := range []pair{{}, newEd25519()} {
			for _, restarted := range []bool{false, true} {
				name := fmt.Sprintf("%s, asymmetric %v, restarted %v", method, first.public != "", restarted)
				t.Run(name, func(t *testing.T) {
					states := make(map[string]int)
					for at := 1; at < 16; at++ {
						for _, after := range []bool{false, true} {
							synctest.Test(t, func(t *testing.T) {
								b, template := memoryBenchWith(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader", PublicKey: first.public}, first.private)
								defer b.close(t)
								b.replacing(t, &crashing{Store: b.store, at: at, after: after}, template)
								_, crash := b.rotator.Rotate(t.Context())
								states[aftermath{method, restarted}.befall(t, b, template, crash)]++
							})
						}
					}
					for _, state := range []string{"idle", "named", "stored", "promoted", "replaced"} {
						if states[state] == 0 {
							t.Errorf("no crash left the record %s: %v", state, states)
						}
					}
				})
			}
		}
	}
}

// aftermath is what follows a crash.
type aftermath struct {
	method    string // with which somebody ends the old key
	restarted bool   // the process that recovers has no sessions yet
}

// befall ends the old key, and sees that Recover does what can be done. It returns what state the record was in.
func (a aftermath) befall(t *testing.T, b *bench, template session.Config, crash error) (state string) {
	t.Helper()
	record, err := b.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state = stateOf(record, b.key.ClientID)
	if state != "replaced" {
		b.manageKey(t, a.method, template)
	}
	<-time.After(3 * time.Minute) // the lease of the dead, and what a creation may take
	keyring := b.keyring
	if a.restarted {
		keyring = rotate.NewKeyring(session.Credentials{ClientID: b.key.ClientID, Secret: session.NewSecret([]byte("as before")), Generation: 1})
		if state == "idle" || state == "named" || state == "stored" {
			keyring = rotate.NewKeyring(record.Credentials())
		}
	}
	r := b.second(t, template, func(c *rotate.Config) {
		c.Keyring = keyring
		if a.restarted {
			c.Sessions = rotate.Fleet[rotate.Session]()
		}
	})
	report, err := r.Recover(t.Context())
	if closed := r.Close(t.Context()); closed != nil {
		t.Error(closed)
	}
	if state == "idle" || state == "named" { // the one known secret is dead
		if _, locked := errors.AsType[*rotate.LockedOutError](err); !locked {
			t.Errorf("%s, after %v: %v", state, crash, err)
		}
		return state
	}
	if err != nil {
		t.Fatalf("%s, after %v: %v\n%v", state, crash, err, report)
	}
	try := template
	try.URL = b.server.URL()
	if err := session.TryCredentials(t.Context(), try, keyring.Current()); err != nil || keyring.Current().ClientID == b.key.ClientID {
		t.Errorf("%s, after %v: the keyring has %s: %v", state, crash, keyring.Current().ClientID, err)
	}
	if a.restarted {
		b.takeUp(t, template, report, state)
	}
	b.replaced(t, b.keyring.Current().Generation)
	return state
}

// takeUp has the sessions of a restarted process dialed, and finishes what was left for them.
func (b *bench) takeUp(t *testing.T, template session.Config, report rotate.Report, state string) {
	t.Helper()
	if left := report.Outcome == rotate.Unfinished; left != (state != "replaced") || left != (len(report.Warnings) == 1) {
		t.Errorf("%s: %v", state, report)
	}
	r := b.second(t, template, func(*rotate.Config) {})
	if _, err := r.Recover(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// manageKey has somebody with another key, a person at the website say, disable or remove the bench's.
func (b *bench) manageKey(t *testing.T, method string, template session.Config) {
	t.Helper()
	if _, there := b.server.Key(b.key.ID); !there {
		return // the crash came after it was removed
	}
	admin := b.server.AddKey(deribittest.KeyConfig{Name: "admin"})
	template.URL = b.server.URL()
	template.Credentials = session.Credentials{ClientID: admin.ClientID, Secret: session.NewSecret([]byte(admin.Secret))}
	s, err := session.Dial(t.Context(), template)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Call(t.Context(), method, map[string]int64{"id": b.key.ID}, nil); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestReplaceBesideAnIntent: a recovery that knew of the old key alone has left an intent behind, and the gate shut. Whether the old
// key works or not, one Recover finishes all: the new key is the current one, and one Rotate makes one more.
func TestReplaceBesideAnIntent(t *testing.T) {
	for _, method := range []string{"", "private/disable_api_key", "private/remove_api_key"} {
		for _, state := range []string{"named", "stored", "promoted"} {
			if state == "named" && method != "" {
				continue // a lock-out: see TestReplaceOldKeyGone
			}
			t.Run(state+" "+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { recoverBesideAnIntent(t, state, method) })
			})
		}
	}
}

func recoverBesideAnIntent(t *testing.T, state, method string) {
	t.Helper()
	b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
	defer b.close(t)
	record := b.crashAt(t, state, template)
	if method != "" {
		b.manageKey(t, method, template)
	}
	record.Intent = &rotate.Intent{ID: "another", Started: time.Now(), OldFingerprint: record.Current.Secret.Fingerprint()}
	if _, err := b.store.Save(t.Context(), record, record.Version); err != nil {
		t.Fatal(err)
	}
	<-time.After(3 * time.Minute)
	r := b.second(t, template, func(*rotate.Config) {})
	report, err := r.Recover(t.Context())
	if err != nil || report.Outcome != rotate.Recovered {
		t.Errorf("%v\n%v", err, report)
	}
	if left, err := b.store.Load(t.Context()); err != nil || left.Intent != nil || left.Replacement != nil {
		t.Errorf("one Recover left %+v, %v", left, err)
	}
	created := b.server.Stats().Calls["private/create_api_key"]
	if _, err := r.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
	if n := b.server.Stats().Calls["private/create_api_key"] - created; n != 1 {
		t.Errorf("one Rotate created %d keys", n)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	b.replaced(t, b.keyring.Current().Generation)
}
