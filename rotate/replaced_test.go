package rotate_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// stranded begins a rotation whose reset is lost on its way together with the network, so that its lease ends while it is in doubt.
// back brings the network back, and waits for its end.
func (b *bench) stranded(t *testing.T, template session.Config, admin *session.Session) (r *rotate.Rotator, back func() (rotate.Report, error)) {
	t.Helper()
	var down atomic.Bool
	cut := template
	cut.NetDial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if down.Load() {
			return nil, errDown
		}
		return template.NetDial(ctx, network, address)
	}
	lost := &acting{admin, map[string]func(context.Context, any, []byte) ([]byte, error){
		"private/reset_api_key": func(_ context.Context, _ any, dst []byte) ([]byte, error) {
			down.Store(true)
			return dst, &rpc.CallError{Method: "private/reset_api_key", Outcome: rpc.Unknown, Err: errDown}
		},
	}}
	r = b.second(t, cut, func(c *rotate.Config) { c.Strategy, c.Authority = rotate.ResetInPlace, lost })
	var report rotate.Report
	var err error
	ended := make(chan struct{})
	go func() {
		report, err = r.Rotate(t.Context())
		close(ended)
	}()
	<-time.After(2 * time.Minute)
	return r, func() (rotate.Report, error) {
		down.Store(false)
		<-ended
		return report, err
	}
}

// replaceElsewhere has another process replace the key, and returns what the store has then.
func (b *bench) replaceElsewhere(t *testing.T, template session.Config, admin *session.Session) rotate.Record {
	t.Helper()
	keyring := rotate.NewKeyring(b.keyring.Current())
	if _, err := b.replaceOnce(t, template, func(c *rotate.Config) {
		c.Keyring, c.Authority, c.Sessions = keyring, admin, nil
	}); err != nil {
		t.Fatal(err)
	}
	record, err := b.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// TestReplacedWhileInDoubt: a rotation cannot find out what has become of its reset, and loses the lease to a process that replaces the key.
// It goes on with the new key.
func TestReplacedWhileInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		admin, leave := b.admin(t, template)
		defer leave()
		r, back := b.stranded(t, template, admin)
		now := b.replaceElsewhere(t, template, admin)
		report, err := back()
		if err != nil || report.Outcome != rotate.Rotated || report.KeyID != now.KeyID || report.ClientID != now.ClientID {
			t.Errorf("%v, %v", report, err)
		}
		if has := b.keyring.Current(); has.ClientID != now.ClientID || !has.Secret.Equal(now.Current.Secret) {
			t.Errorf("the keyring has the client id %s and the secret %v, the store %s and %v",
				has.ClientID, has.Secret.Fingerprint(), now.ClientID, now.Current.Secret.Fingerprint())
		}
		if _, err := r.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		b.replaced(t, now.Current.Generation)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReplacedAndResetWhileInDoubt: what it had sent was for the key that is gone. Who has reset the new one is somebody else.
func TestReplacedAndResetWhileInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		admin, leave := b.admin(t, template)
		defer leave()
		r, back := b.stranded(t, template, admin)
		now := b.replaceElsewhere(t, template, admin)
		manage(t, admin, "private/reset_api_key", now.KeyID)
		report, err := back()
		if !errors.Is(err, rotate.ErrForeignReset) || report.Outcome != rotate.LockedOut || report.KeyID != now.KeyID {
			t.Errorf("%v, %v", report, err)
		}
		if n := b.server.Stats().Calls["private/reset_api_key"]; n != 1 {
			t.Errorf("%d resets", n)
		}
		// A person does what the error says.
		key, _ := b.server.Key(now.KeyID)
		byHand := session.Credentials{
			ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret)), Generation: b.keyring.Current().Generation + 1,
		}
		if err := b.keyring.Publish(byHand); err != nil {
			t.Error(err)
		}
		if _, err := r.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		b.key = key
		b.settle(t)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
