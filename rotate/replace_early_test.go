package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// TestReplaceRecoveredEarly calls Recover before sessions are dialed, as its document says. What it can do without them it does at once:
// there is a key to log in with. What it leaves it says, and the next Recover does that.
func TestReplaceRecoveredEarly(t *testing.T) {
	for _, state := range []string{"named", "stored", "promoted"} {
		t.Run(state, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { recoverEarly(t, state) })
		})
	}
}

func recoverEarly(t *testing.T, state string) {
	t.Helper()
	b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
	defer b.close(t)
	record := b.crashAt(t, state, template)
	<-time.After(3 * time.Minute)
	var fleet []rotate.Session
	restarted := rotate.NewKeyring(record.Credentials())
	r := b.second(t, template, func(c *rotate.Config) {
		c.Keyring, c.Sessions = restarted, func() []rotate.Session { return fleet }
	})
	begun := time.Now()
	report, err := r.Recover(t.Context())
	if err != nil || report.Outcome != rotate.Unfinished || len(report.Warnings) != 1 || time.Since(begun) > 10*time.Second {
		t.Errorf("after %v: %v, %v", time.Since(begun), err, report)
	}
	if renewed := restarted.Current().ClientID != b.key.ClientID; renewed != (state != "named") {
		t.Errorf("%s: the keyring has %s", state, restarted.Current().ClientID)
	}
	template.URL, template.Credentials = b.server.URL(), restarted
	s, err := session.Dial(t.Context(), template)
	if err != nil {
		t.Fatal(err)
	}
	fleet = []rotate.Session{s}
	if report, err = r.Recover(t.Context()); err != nil || len(report.Warnings) != 0 {
		t.Errorf("%v, %v", err, report)
	}
	if left, err := b.store.Load(t.Context()); err != nil || left.Replacement != nil || left.ClientID != restarted.Current().ClientID {
		t.Errorf("left: %+v, %v", left, err)
	}
	var keys []struct{ ID int64 }
	if err := s.Call(t.Context(), "private/list_api_keys", nil, &keys); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// until is a store of a process that ends as soon as a replacement is in a state.
type until struct {
	rotate.Store
	state, old string
}

func (u until) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	if stored, err := u.Store.Load(ctx); err != nil || stateOf(stored, u.old) == u.state {
		return 0, errors.Join(errCrash, err)
	}
	return u.Store.Save(ctx, record, ifVersion)
}

// crashAt replaces the key up to a state, and returns the record.
func (b *bench) crashAt(t *testing.T, state string, template session.Config) rotate.Record {
	t.Helper()
	b.replacing(t, until{b.store, state, b.key.ClientID}, template)
	_, crash := b.rotator.Rotate(t.Context())
	record, err := b.store.Load(t.Context())
	if err != nil || stateOf(record, b.key.ClientID) != state {
		t.Fatalf("%s is not met: %v, %v", state, crash, err)
	}
	return record
}

// stateOf is where a replacement stands.
func stateOf(record rotate.Record, old string) string {
	switch p := record.Replacement; {
	case p == nil && record.ClientID == old:
		return "idle"
	case p == nil:
		return "replaced"
	case !p.Promoted.IsZero():
		return "promoted"
	case p.KeyID != 0:
		return "stored"
	}
	return "named"
}
