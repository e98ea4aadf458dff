package rotate_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// amend changes the bench's record, as another process would.
func (b *bench) amend(t *testing.T, change func(*rotate.Record)) {
	t.Helper()
	record, err := b.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	change(&record)
	if _, err := b.store.Save(t.Context(), record, record.Version); err != nil {
		t.Fatal(err)
	}
}

// named has the store say that a replacement has just been begun, and returns the key that was created.
func (b *bench) named(t *testing.T) deribittest.Key {
	t.Helper()
	const name = "hf_orphan"
	b.amend(t, func(r *rotate.Record) {
		r.KeyID = b.key.ID
		r.Replacement = &rotate.Replacement{ID: "begun", Name: name, Sent: time.Now()}
	})
	return b.server.AddKey(deribittest.KeyConfig{Name: name})
}

// promoted has the store say that another key has been replaced by the bench's, and is to be removed. It returns that key.
func (b *bench) promoted(t *testing.T) deribittest.Key {
	t.Helper()
	old := b.server.AddKey(deribittest.KeyConfig{Name: "old"})
	b.amend(t, func(r *rotate.Record) {
		r.KeyID, r.Former = b.key.ID, []string{old.ClientID}
		r.Replacement = &rotate.Replacement{
			ID: "promoted", Name: "hf_new", Sent: time.Now(), KeyID: old.ID, ClientID: old.ClientID, Promoted: time.Now(),
		}
	})
	return old
}

// left fails the test unless the key is there, and the store knows that it is to be removed.
func (b *bench) left(t *testing.T, key deribittest.Key) {
	t.Helper()
	if _, ok := b.server.Key(key.ID); !ok {
		t.Error("the key is gone")
	}
	if record, err := b.store.Load(t.Context()); err != nil || record.Replacement == nil {
		t.Errorf("the key is forgotten: %v", err)
	}
}

// gone fails the test unless the key was removed, and the store says that nothing is left to do.
func (b *bench) gone(t *testing.T, key deribittest.Key) {
	t.Helper()
	if _, ok := b.server.Key(key.ID); ok {
		t.Error("the key is left")
	}
	if record, err := b.store.Load(t.Context()); err != nil || record.Replacement != nil {
		t.Errorf("stored: %+v, %v", record.Replacement, err)
	}
}

// TestReplaceForgetsNothingBehindAFactor recovers a replacement by a rotator that would reset, on an account whose list of keys needs a
// second factor: neither an orphan nor an old key that cannot be removed is forgotten.
func TestReplaceForgetsNothingBehindAFactor(t *testing.T) {
	for name, begun := range map[string]func(*bench, *testing.T) deribittest.Key{"orphan": (*bench).named, "old key": (*bench).promoted} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader", SecondFactor: true})
				defer b.close(t)
				key := begun(b, t)
				may := &stubborn{Session: b.fleet[0], refuses: true}
				r := b.second(t, template, func(c *rotate.Config) { c.Strategy, c.Authority = rotate.ResetInPlace, may })
				if report, err := r.Recover(t.Context()); err == nil {
					t.Errorf("no error: %v", report)
				}
				b.left(t, key)
				may.refuses = false
				if _, err := r.Recover(t.Context()); err != nil {
					t.Error(err)
				}
				b.gone(t, key)
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestReplaceNobodyToAnswer is the same without anybody to answer the factor: the error says so, and nothing is forgotten.
func TestReplaceNobodyToAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader", SecondFactor: true})
		defer b.close(t)
		key := b.named(t)
		r := b.second(t, template, func(c *rotate.Config) { c.Strategy, c.SecondFactor = rotate.ResetInPlace, nil })
		if _, err := r.Recover(t.Context()); !errors.Is(err, rotate.ErrNoSecondFactor) {
			t.Errorf("the error is %v", err)
		}
		b.left(t, key)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReplaceAskedElsewhere recovers with an authority of another account, whose list of keys says nothing about this one's.
func TestReplaceAskedElsewhere(t *testing.T) {
	for name, begun := range map[string]func(*bench, *testing.T) deribittest.Key{"orphan": (*bench).named, "old key": (*bench).promoted} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
				defer b.close(t)
				key := begun(b, t)
				elsewhere := b.dial(t, template, b.server.AddKey(deribittest.KeyConfig{Account: 7}))
				defer elsewhere.close(t)
				r := b.second(t, template, func(c *rotate.Config) { c.Authority = elsewhere.Session })
				if _, err := r.Recover(t.Context()); !errors.Is(err, rotate.ErrMismatch) {
					t.Errorf("the error is %v", err)
				}
				b.left(t, key)
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// fixed is a session that has the credentials of a key, whatever becomes of them.
type fixed struct{ *session.Session }

func (f fixed) close(t *testing.T) {
	t.Helper()
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// dial dials a session of a key.
func (b *bench) dial(t *testing.T, template session.Config, key deribittest.Key) fixed {
	t.Helper()
	template.URL, template.Logger = b.server.URL(), b.logger
	template.Credentials = session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))}
	s, err := session.Dial(t.Context(), template)
	if err != nil {
		t.Fatal(err)
	}
	return fixed{s}
}
