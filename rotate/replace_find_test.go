package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// unanswered is an authority whose creation the exchange executes, and nobody hears of it. then is what happens next.
func unanswered(of *session.Session, then func()) *acting {
	const create = "private/create_api_key"
	return &acting{of, map[string]func(context.Context, any, []byte) ([]byte, error){
		create: func(ctx context.Context, params any, dst []byte) ([]byte, error) {
			if _, err := of.CallRaw(ctx, create, params, nil); err != nil {
				return dst, err
			}
			then()
			return dst, &rpc.CallError{Method: create, Outcome: rpc.Unknown, Err: errDown}
		},
	}}
}

// severed is a store of a process that ends when it is cut.
type severed struct {
	rotate.Store
	cut bool
}

func (s *severed) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	if s.cut {
		return 0, errCrash
	}
	return s.Store.Save(ctx, record, ifVersion)
}

// asymmetric is a memory bench of an asymmetric key, with a session of another key that lists keys, until leave.
func asymmetric(t *testing.T) (b *bench, template session.Config, admin *session.Session, leave func()) {
	t.Helper()
	first := newEd25519()
	b, template = memoryBenchWith(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader", PublicKey: first.public}, first.private)
	admin, leave = b.admin(t, template)
	return b, template, admin, leave
}

// ends has somebody end the bench's key by a method.
func (b *bench) ends(t *testing.T, admin *session.Session, method string) func() {
	t.Helper()
	return func() {
		if err := admin.Call(t.Context(), method, map[string]int64{"id": b.key.ID}, nil); err != nil {
			t.Error(err)
		}
	}
}

// TestReplaceFindsTheNewKey loses the answer to a creation while somebody ends the old key, which is asymmetric. The new one is found by the
// public half of the private one that is stored, by the process that has created it, or by one that recovers, with sessions or before.
func TestReplaceFindsTheNewKey(t *testing.T) {
	for _, method := range []string{"private/disable_api_key", "private/remove_api_key"} {
		for _, crashed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, crashed %v", method, crashed), func(t *testing.T) {
				synctest.Test(t, ending{method, crashed}.find)
			})
		}
	}
}

// ending is that of an old key, and of the process that replaces it.
type ending struct {
	method  string // with which somebody ends the key
	crashed bool   // the process ends too
}

func (e ending) find(t *testing.T) {
	t.Helper()
	b, template, admin, leave := asymmetric(t)
	defer b.close(t)
	defer leave()
	store := &severed{Store: b.store}
	old, begun := b.key, time.Now()
	_, err := b.replaceOnce(t, template, func(c *rotate.Config) {
		c.Store = store
		c.Authority = unanswered(admin, func() {
			b.ends(t, admin, e.method)()
			store.cut = e.crashed
		})
	})
	if (err != nil) != e.crashed || !e.crashed && time.Since(begun) > 2*time.Minute {
		t.Fatalf("after %v: %v", time.Since(begun), err)
	}
	if e.crashed {
		record, err := b.store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.lockedOutAlone(t, template)
		keyring := rotate.NewKeyring(record.Credentials()) // of a process that has no sessions yet
		r := b.second(t, template, func(c *rotate.Config) { c.Authority, c.Keyring, c.Sessions = admin, keyring, nil })
		if report, err := r.Recover(t.Context()); err != nil || report.Outcome != rotate.Recovered || keyring.Current().ClientID == old.ClientID {
			t.Fatalf("%v\n%v", err, report)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := b.rotator.Recover(t.Context()); err != nil { // the process with sessions follows
			t.Error(err)
		}
	}
	b.replaced(t, b.keyring.Current().Generation)
	if keys := keysAt(t, admin); len(keys) != 2 {
		t.Errorf("the account has the keys %d", keys)
	}
}

// lockedOutAlone fails the test unless Recover says what to do where there is no authority of another key, and leaves what it would need.
func (b *bench) lockedOutAlone(t *testing.T, template session.Config) {
	t.Helper()
	<-time.After(2 * time.Minute) // the lease of the dead
	r := b.second(t, template, func(*rotate.Config) {})
	_, err := r.Recover(t.Context())
	if _, locked := errors.AsType[*rotate.LockedOutError](err); !locked || !strings.Contains(err.Error(), "Set Config.Authority to a session of another key") {
		t.Errorf("the error is %v", err)
	}
	if record, err := b.store.Load(t.Context()); err != nil || stateOf(record, b.key.ClientID) != "named" {
		t.Errorf("stored: %+v, %v", record.Replacement, err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestReplaceNoKeyToFind: where the creation was not executed, Recover says locked out once it cannot be any more.
func TestReplaceNoKeyToFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template, admin, leave := asymmetric(t)
		defer b.close(t)
		defer leave()
		b.crashAt(t, "named", template)
		b.ends(t, admin, "private/disable_api_key")()
		r := b.second(t, template, func(c *rotate.Config) { c.Authority = admin })
		_, err := r.Recover(t.Context())
		if _, locked := errors.AsType[*rotate.LockedOutError](err); !locked || !strings.Contains(err.Error(), "it was not created") {
			t.Errorf("the error is %v", err)
		}
		b.ends(t, admin, "private/enable_api_key")()
		if _, err := r.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		b.agree(t, 1)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReplaceKeepsWhatStandsIn: the old key is ended while the orphan of a lost answer waits for its removal. It is the one way in, and stays.
func TestReplaceKeepsWhatStandsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template, admin, leave := asymmetric(t)
		defer b.close(t)
		defer leave()
		_, err := b.replaceOnce(t, template, func(c *rotate.Config) {
			c.Authority = unanswered(admin, func() { time.AfterFunc(time.Minute, b.ends(t, admin, "private/disable_api_key")) })
		})
		if _, refused := errors.AsType[*session.AuthError](err); !refused || !strings.Contains(err.Error(), "call Recover") {
			t.Errorf("the error is %v", err)
		}
		r := b.second(t, template, func(c *rotate.Config) { c.Authority = admin })
		if _, err := r.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		b.replaced(t, 2)
	})
}

// TestReplaceFindsWhatComesLate: the creation is executed half a minute after its answer was given up, and the old key is dead by then.
func TestReplaceFindsWhatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template, admin, leave := asymmetric(t)
		defer b.close(t)
		defer leave()
		const create = "private/create_api_key"
		late := &acting{admin, map[string]func(context.Context, any, []byte) ([]byte, error){
			create: func(ctx context.Context, params any, dst []byte) ([]byte, error) {
				b.ends(t, admin, "private/disable_api_key")()
				time.AfterFunc(30*time.Second, func() {
					if _, err := admin.CallRaw(context.WithoutCancel(ctx), create, params, nil); err != nil {
						t.Error(err)
					}
				})
				return dst, &rpc.CallError{Method: create, Outcome: rpc.Unknown, Err: errDown}
			},
		}}
		if _, err := b.replaceOnce(t, template, func(c *rotate.Config) { c.Authority = late }); err != nil {
			t.Fatal(err)
		}
		b.replaced(t, 2)
	})
}
