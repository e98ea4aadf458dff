package rotate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// bench is an exchange's double, sessions on it, and a rotator.
type bench struct {
	server  *deribittest.Server
	key     deribittest.Key
	keyring *rotate.Keyring
	store   *filestore.Store
	fleet   []*session.Session
	rotator *rotate.Rotator
	said    *syncBuffer // logs of the sessions and the rotators
	logger  *slog.Logger
}

// syncBuffer is a buffer for several loggers.
type syncBuffer struct {
	mu sync.Mutex // protects b
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newBench is closed at the test's end. template says how to reach the server.
func newBench(t *testing.T, server *deribittest.Server, key deribittest.Key, template session.Config) *bench {
	t.Helper()
	return newBenchWith(t, server, key, session.NewSecret([]byte(key.Secret)), template)
}

// newBenchWith is newBench for a key whose secret the server may not have: an asymmetric one.
func newBenchWith(
	t *testing.T, server *deribittest.Server, key deribittest.Key, secret session.Secret, template session.Config,
) *bench {
	t.Helper()
	b := &bench{server: server, key: key, said: &syncBuffer{}}
	b.logger = exchangetest.Logger(b.said)
	first := rotate.Record{ClientID: key.ClientID, Current: rotate.Candidate{Secret: secret, Generation: 1}}
	var err error
	b.store, err = filestore.Create(t.Context(), filepath.Join(privateDir(t), "key"), first)
	if err != nil {
		t.Fatal(err)
	}
	b.keyring = rotate.NewKeyring(first.Credentials())
	template.URL = server.URL()
	template.Logger = b.logger
	for i := range 4 {
		cfg := template
		cfg.Name, cfg.Credentials = fmt.Sprintf("s%d", i), b.keyring
		s, err := session.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		b.fleet = append(b.fleet, s)
	}
	b.rotator, err = rotate.New(rotate.Config{
		Keyring: b.keyring, Store: b.store, Sessions: rotate.Fleet(b.fleet...), Throwaway: template, Logger: template.Logger,
		SecondFactor: b.code, AcceptLockout: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// code is what a person reads off a device; the second time one must wait for the next.
func (b *bench) code(ctx context.Context, c rotate.Challenge) (string, error) {
	if c.Round > 1 {
		select {
		case <-time.After(30 * time.Second):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return b.server.SecondFactorCode(b.key.ID), nil
}

func (b *bench) close(t *testing.T) {
	t.Helper()
	if err := b.rotator.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, s := range b.fleet {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := b.server.Close(); err != nil {
		t.Error(err)
	}
	for _, secret := range b.server.Secrets() {
		if strings.Contains(b.said.String(), secret) {
			t.Error("a secret was logged")
		}
	}
}

// isOf reports whether a secret is the key's, or the private half of its public key.
func isOf(key deribittest.Key, secret session.Secret) bool {
	if key.PublicKey == "" {
		return secret.Equal(session.NewSecret([]byte(key.Secret)))
	}
	return publicHalf(secret) == key.PublicKey
}

// agree fails the test unless the exchange, the store, the keyring and the sessions have the same secret.
func (b *bench) agree(t *testing.T, generation uint64) {
	t.Helper()
	key, ok := b.server.Key(b.key.ID)
	record, err := b.store.Load(t.Context())
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if !isOf(key, record.Current.Secret) || !isOf(key, b.keyring.Current().Secret) {
		t.Error("the store or the keyring has another secret than the exchange")
	}
	if record.Current.Generation != generation || record.Intent != nil || record.KeyID != b.key.ID || len(record.Candidates) != 0 {
		t.Errorf("stored: %+v", record)
	}
	for _, s := range b.fleet {
		if s.Generation() != generation {
			t.Errorf("%s is at generation %d", s.Name(), s.Generation())
		}
		if err := s.Call(t.Context(), "private/get_account_summary", map[string]string{"currency": "BTC"}, nil); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	}
}

// TestI9SubscriptionsSurvive rotates over real connections while books flow, for each thing that the exchange may do at a reset.
func TestI9SubscriptionsSurvive(t *testing.T) {
	t.Parallel()
	for _, behaviour := range behaviours {
		t.Run(behaviour.String(), func(t *testing.T) {
			t.Parallel()
			server := exchangetest.New(t, deribittest.Config{Reset: behaviour})
			b := newBench(t, server, server.AddKey(deribittest.KeyConfig{Name: "trader"}), session.Config{SubscriptionsSurvive: true})
			defer b.close(t)
			channels := []string{"book.BTC-PERPETUAL.raw", "book.ETH-PERPETUAL.100ms", "user.orders.any.any.raw"}
			for _, s := range b.fleet {
				ignore := session.SubscribeConfig{Handler: func(session.Notification) {}}
				if _, err := s.Subscribe(t.Context(), ignore, channels...); err != nil {
					t.Fatal(err)
				}
			}
			for generation := uint64(2); generation < 5; generation++ {
				report, err := b.rotator.Rotate(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				b.agree(t, generation)
				checkChannels(t, report, len(channels), behaviour)
			}
			if got := server.Stats().Calls["private/reset_api_key"]; got != 3 {
				t.Errorf("%d resets", got)
			}
		})
	}
}

// checkChannels: no chain of change ids breaks, and no connection is lost unless the exchange closes it.
func checkChannels(t *testing.T, report rotate.Report, channels int, behaviour deribittest.ResetProfile) {
	t.Helper()
	if len(report.Sessions) != 4 {
		t.Errorf("%d sessions", len(report.Sessions))
	}
	for _, s := range report.Sessions {
		if len(s.Channels) != channels {
			t.Errorf("%s: %d channels", s.Name, len(s.Channels))
		}
		for _, c := range s.Channels {
			if c.Breaks != 0 || !c.Confirmed && strings.HasPrefix(c.Channel, "user.") {
				t.Errorf("%s: %+v", s.Name, c)
			}
			if behaviour.Connections == deribittest.ConnectionsKept && c.Gaps != 0 {
				t.Errorf("%s: a connection was lost: %+v", s.Name, c)
			}
		}
	}
}

// TestSecondFactorOverTheWire rotates twice within one step of the device: the second time its code has been used, and the next
// one is waited for.
func TestSecondFactorOverTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := deribittest.NewMemoryListener()
		server := exchangetest.New(t, deribittest.Config{Listener: listener, Tick: -1})
		key := server.AddKey(deribittest.KeyConfig{Name: "trader", SecondFactor: true})
		b := newBench(t, server, key, session.Config{NetDial: listener.DialContext})
		defer b.close(t)
		for generation := uint64(2); generation < 4; generation++ {
			if _, err := b.rotator.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.agree(t, generation)
		}
	})
}

// cutter is a network whose connections can be cut.
type cutter struct {
	*deribittest.MemoryListener

	mu    sync.Mutex // protects conns
	conns []net.Conn
}

func (c *cutter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	return conn, nil
}

func (c *cutter) cut() error {
	c.mu.Lock()
	conns := c.conns
	c.conns = nil
	c.mu.Unlock()
	var errs []error
	for _, conn := range conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// TestConnectionCutAtTheReset cuts every connection when the reset is executed and its reply about to be written: what the exchange
// takes is found out by trying, and then a token resets the key again, if tokens outlive a reset.
func TestConnectionCutAtTheReset(t *testing.T) {
	for _, code := range []rpc.Code{session.CodeInvalidCredentials, session.CodeUnauthorized, session.CodeAuthorizationRequired} {
		for _, behaviour := range []deribittest.ResetProfile{{}, {TokensRevoked: true}} {
			t.Run(fmt.Sprint(behaviour, code), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { cutAtTheReset(t, behaviour, code) })
			})
		}
	}
}

// cutAtTheReset has an exchange that refuses a wrong signature with the code: which it is, is not documented.
func cutAtTheReset(t *testing.T, behaviour deribittest.ResetProfile, refusal rpc.Code) {
	t.Helper()
	network := &cutter{MemoryListener: deribittest.NewMemoryListener()}
	cut := sync.OnceFunc(func() {
		if err := network.cut(); err != nil {
			t.Error(err)
		}
	})
	server := exchangetest.New(t, deribittest.Config{
		Listener: network, Tick: -1, Reset: behaviour, BadSignatureCode: int(refusal), OnFrame: func(f deribittest.Frame) {
			if f.Method == "private/reset_api_key" && !f.Incoming {
				cut()
			}
		},
	})
	b := newBench(t, server, server.AddKey(deribittest.KeyConfig{Name: "trader"}), session.Config{NetDial: network.dial})
	defer b.close(t)
	report, err := b.rotator.Rotate(t.Context())
	if !behaviour.TokensRevoked {
		if err != nil || report.Outcome != rotate.Rotated || server.Stats().Calls["private/reset_api_key"] != 2 {
			t.Errorf("%v, %v", report, err)
		}
		b.settle(t)
		return
	}
	if err == nil || report.Outcome != rotate.LockedOut {
		t.Fatalf("%v, %v", report, err)
	}
	// A person resets the key on the website, which the double's own state stands for, and does what the error says.
	now, _ := server.Key(b.key.ID)
	byHand := session.Credentials{ClientID: now.ClientID, Secret: session.NewSecret([]byte(now.Secret)), Generation: 2}
	if err := b.keyring.Publish(byHand); err != nil {
		t.Fatal(err)
	}
	if _, err := b.rotator.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.settle(t)
}

// settle waits for the sessions that were cut, and has them agree but for candidates, which outlive a recovery.
func (b *bench) settle(t *testing.T) {
	t.Helper()
	for _, s := range b.fleet {
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.Generation(); got != b.keyring.Current().Generation {
			t.Errorf("%s is at generation %d", s.Name(), got)
		}
	}
	record, err := b.store.Load(t.Context())
	if err != nil || record.Intent != nil || !record.Current.Secret.Equal(b.keyring.Current().Secret) {
		t.Errorf("stored: %+v, %v", record, err)
	}
}

// TestThrowawayOutOfReach: where the new secret could not be tried, the old one is not reset.
func TestThrowawayOutOfReach(t *testing.T) {
	t.Parallel()
	server := exchangetest.New(t, deribittest.Config{Tick: -1})
	key := server.AddKey(deribittest.KeyConfig{Name: "trader"})
	b := newBench(t, server, key, session.Config{})
	defer b.close(t)
	for _, url := range []string{"ws://127.0.0.1:1/ws/api/v2", "http://127.0.0.1/", "ws://example.com/ws/api/v2"} {
		r, err := rotate.New(rotate.Config{
			Keyring: b.keyring, Store: b.store, Sessions: rotate.Fleet(b.fleet...), Throwaway: session.Config{URL: url},
			AcceptLockout: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Rotate(t.Context())
		if failed, ok := errors.AsType[*rotate.PreflightError](err); !ok || failed.Check != "connection" {
			t.Errorf("%s: %v", url, err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if now, _ := server.Key(key.ID); now.Secret != key.Secret {
		t.Error("the key was reset")
	}
}
