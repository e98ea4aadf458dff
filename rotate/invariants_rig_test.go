package rotate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// shelf is a store in memory whose writes take time, and can be made to fail or to hang.
type shelf struct {
	took  time.Duration                              // by each Save, before it is durable
	fault func(context.Context, rotate.Record) error // of a Save, before it has its effect; nil for none
	saved func(rotate.Record)                        // is told of each Save, just before it returns; nil for nobody

	mu     sync.Mutex // protects record
	record *rotate.Record
}

func (s *shelf) Load(context.Context) (rotate.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		return rotate.Record{}, rotate.ErrNotFound
	}
	return clone(*s.record), nil
}

func (s *shelf) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	if s.took > 0 {
		select {
		case <-time.After(s.took):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if s.fault != nil {
		if err := s.fault(ctx, r); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var version uint64
	if s.record != nil {
		version = s.record.Version
	}
	if version != ifVersion {
		return 0, rotate.ErrConflict
	}
	r = clone(r)
	r.Version = version + 1
	if s.saved != nil {
		s.saved(r)
	}
	s.record = &r
	return r.Version, nil
}

func (s *shelf) Watch(context.Context) iter.Seq2[rotate.Record, error] {
	return func(func(rotate.Record, error) bool) {}
}

// now is the record, the zero one if there is none.
func (s *shelf) now() rotate.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		return rotate.Record{}
	}
	return clone(*s.record)
}

func (s *shelf) has(secret session.Secret) bool {
	record := s.now()
	for _, c := range append(record.Candidates, record.Current) {
		if c.Secret.Equal(secret) {
			return true
		}
	}
	return false
}

// rig is a fleet on the exchange's double, in a bubble of time, over a network that can be cut.
type rig struct {
	net     *cutter
	down    atomic.Bool // dialing fails, but for the authority
	server  *deribittest.Server
	key     deribittest.Key
	keyring *rotate.Keyring
	store   *shelf
	fleet   []*session.Session
	said    *syncBuffer // logs of the sessions and the rotator
	cfg     rotate.Config
	rotator *rotate.Rotator

	mu    sync.Mutex // protects watch
	watch func(deribittest.Frame)
}

// newRig dials sessions of a key, each with the template as change leaves it, and closes all at the test's end. The reset is sent
// by another key's session, over a network that is never cut.
func newRig(t *testing.T, exchange deribittest.Config, sessions int, change func(i int, cfg *session.Config)) *rig {
	t.Helper()
	return newRigOf(t, deribittest.KeyConfig{Name: "trader"}, exchange, sessions, change)
}

func newRigOf(t *testing.T, key deribittest.KeyConfig, exchange deribittest.Config, sessions int, change func(int, *session.Config)) *rig {
	t.Helper()
	r := &rig{net: &cutter{MemoryListener: deribittest.NewMemoryListener()}, store: &shelf{took: 5 * time.Millisecond}, said: &syncBuffer{}}
	exchange.Listener, exchange.OnFrame = r.net, r.frame
	r.server = exchangetest.New(t, exchange)
	r.key = r.server.AddKey(key)
	admin := r.server.AddKey(deribittest.KeyConfig{Name: "admin"})
	r.keyring = rotate.NewKeyring(session.Credentials{ClientID: r.key.ClientID, Secret: session.NewSecret([]byte(r.key.Secret)), Generation: 1})
	template := session.Config{
		URL: r.server.URL(), NetDial: r.connect, Heartbeat: -1, Grant: session.GrantCredentials,
		SubscriptionsSurvive: !exchange.Reset.SubscriptionsDropped && !exchange.ReauthDropsPrivate, // as holdfast probe finds out
		Logger:               exchangetest.Logger(r.said),
	}
	for i := range sessions {
		cfg := template
		cfg.Name, cfg.Credentials = fmt.Sprintf("s%d", i), r.keyring
		if change != nil {
			change(i, &cfg)
		}
		r.fleet = append(r.fleet, r.dial(t, cfg))
	}
	cfg := template
	cfg.Name, cfg.NetDial = "admin", r.net.DialContext
	cfg.Credentials = session.Credentials{ClientID: admin.ClientID, Secret: session.NewSecret([]byte(admin.Secret)), Generation: 1}
	r.cfg = rotate.Config{
		Keyring: r.keyring, Store: r.store, Sessions: rotate.Fleet(r.fleet...), Authority: r.dial(t, cfg),
		Throwaway: template, Logger: template.Logger,
	}
	r.with(t, func(*rotate.Config) {})
	return r
}

func (r *rig) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if r.down.Load() {
		return nil, errDown
	}
	return r.net.dial(ctx, network, addr)
}

func (r *rig) dial(t *testing.T, cfg session.Config) *session.Session {
	t.Helper()
	s, err := session.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// with gives the rig another rotator, of its configuration as change leaves it.
func (r *rig) with(t *testing.T, change func(*rotate.Config)) {
	t.Helper()
	change(&r.cfg)
	rotator, err := rotate.New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.rotator = rotator
	t.Cleanup(func() {
		if err := rotator.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// onFrame has fn told of each frame from now on, before it is handled or written.
func (r *rig) onFrame(fn func(deribittest.Frame)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch = fn
}

func (r *rig) frame(f deribittest.Frame) {
	r.mu.Lock()
	watch := r.watch
	r.mu.Unlock()
	if watch != nil {
		watch(f)
	}
}

// secret is the one that the exchange takes now.
func (r *rig) secret() session.Secret {
	key, _ := r.server.Key(r.key.ID)
	return session.NewSecret([]byte(key.Secret))
}

// authParams are those of a public/auth of which a test wants to know.
type authParams struct {
	Grant    string         `json:"grant_type"`
	ClientID string         `json:"client_id"`
	Secret   session.Secret `json:"client_secret"`
	Scope    string         `json:"scope"`
}

// authOf returns what a frame authenticates with.
func authOf(t *testing.T, f deribittest.Frame) (params authParams, ok bool) {
	t.Helper()
	if f.Method != "public/auth" || !f.Incoming {
		return authParams{}, false
	}
	var request struct {
		Params authParams `json:"params"`
	}
	if err := json.Unmarshal(f.Data, &request); err != nil {
		t.Error(err)
	}
	return request.Params, true
}

// rotate rotates without fail.
func (r *rig) rotate(t *testing.T) rotate.Report {
	t.Helper()
	report, err := r.rotator.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// settled fails the test unless the exchange, the store, the keyring and the sessions agree, and nothing is left under way.
func (r *rig) settled(t *testing.T) {
	t.Helper()
	record, secret := r.store.now(), r.secret()
	if !record.Current.Secret.Equal(secret) || !r.keyring.Current().Secret.Equal(secret) {
		t.Error("the store or the keyring has another secret than the exchange")
	}
	if record.Intent != nil || record.Lease == nil || record.Lease.Owner != "" || r.keyring.IsShut() {
		t.Errorf("left: %+v, the gate is shut: %t", record, r.keyring.IsShut())
	}
	for _, s := range r.fleet {
		if s.Generation() != record.Current.Generation {
			t.Errorf("%s is at generation %d, the store at %d", s.Name(), s.Generation(), record.Current.Generation)
		}
		if err := s.Call(t.Context(), "private/get_account_summary", map[string]string{"currency": "BTC"}, nil); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	}
}

// behaviours are what an exchange may do to tokens and connections at a reset.
var behaviours = []deribittest.ResetProfile{
	{}, {TokensRevoked: true}, {TokensRevoked: true, Connections: deribittest.ConnectionsClosedAfterReply},
}

// lossy is an authority that loses the reply to the next reset that is executed, or the request for it.
type lossy struct {
	rotate.Authority
	reply, request atomic.Bool // to be lost next
	dying, dead    atomic.Bool // with the next reply it loses it dies; a dead one refuses to reset
}

func (a *lossy) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	lost := &rpc.CallError{Method: method, Outcome: rpc.Unknown, Err: errDown}
	if method != "private/reset_api_key" {
		return a.Authority.CallRaw(ctx, method, params, dst)
	}
	if a.dead.Load() {
		return dst, &rpc.CallError{Method: method, Outcome: rpc.NotSent, Err: &session.AuthError{Err: errDown}}
	}
	if a.request.CompareAndSwap(true, false) {
		return dst, lost
	}
	raw, err := a.Authority.CallRaw(ctx, method, params, dst)
	if err == nil && bytes.Contains(raw, []byte("client_secret")) && a.reply.CompareAndSwap(true, false) {
		a.dead.Store(a.dying.Load())
		return dst, lost
	}
	return raw, err
}

// byHand does what a person does who is locked out: the key is reset on the website, which the double's own state stands for,
// and published.
func (r *rig) byHand(t *testing.T) {
	t.Helper()
	creds := session.Credentials{ClientID: r.key.ClientID, Secret: r.secret(), Generation: r.keyring.Current().Generation + 1}
	if err := r.keyring.Publish(creds); err != nil {
		t.Fatal(err)
	}
	if _, err := r.rotator.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
}
