package rotate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const (
	clientID  = "IY2D68DS"
	keyID     = 3
	firstWord = "CANARY-secret-1"
)

var errDown = errors.New("down")

// refusal is what a session makes of the exchange's error; the code decides in these tests.
func refusal(code rpc.Code, reason string) *rpc.Error {
	return &rpc.Error{Code: code, Message: "refused", Data: json.RawMessage(fmt.Sprintf(`{"reason":%q}`, reason))}
}

// world is an exchange with one key, seen by one process after another, and the store that survives them.
type world struct {
	mu      sync.Mutex
	secret  string
	resets  int
	revokes bool // a reset ends all tokens
	epoch   int  // of tokens: those of an earlier one are dead
	rescues int  // rescue tokens that were made
	rescue  string
	record  *rotate.Record   // nil if there is none
	stored  []session.Secret // that a record ever held
	version uint64
	events  []string
	broken  []string // invariants, as they broke
	// reply changes the answer to a reset, lost loses it; both after the key was reset. refuse comes before that.
	reply  func(raw string) string
	lost   bool
	refuse func(params map[string]any) (string, error)
	list   func(params map[string]any) (string, error)
	save   func(rotate.Record) error
	try    func() error
	skew   time.Duration
	// What else a reset does: it drops subscriptions, and closes the connections of the key after the reply, or before it.
	drops, closes, closesFirst bool
	processes                  []*process // whose sessions it befalls
}

func newWorld() *world { return &world{secret: firstWord} }

func (w *world) note(format string, args ...any) {
	w.events = append(w.events, fmt.Sprintf(format, args...))
}

func (w *world) isStored(s session.Secret) bool {
	if w.record == nil {
		return false
	}
	return w.record.Current.Secret.Equal(s) ||
		slices.ContainsFunc(w.record.Candidates, func(c rotate.Candidate) bool { return c.Secret.Equal(s) })
}

func (w *world) keep(c rotate.Candidate) {
	if !slices.ContainsFunc(w.stored, c.Secret.Equal) {
		w.stored = append(w.stored, c.Secret)
	}
}

func (w *world) broke(what string) { w.broken = append(w.broken, what) }

// use notes a secret that is used before it is stored. Who was slow may use one that others have replaced since.
func (w *world) use(what string, s session.Secret) {
	if !slices.ContainsFunc(w.stored, s.Equal) && !s.Equal(session.NewSecret([]byte(firstWord))) {
		w.broke("R1: used before it was stored: " + what)
	}
}

// process is one life of a program: after its last step nothing of it reaches the world.
type process struct {
	*world
	keyring  *rotate.Keyring
	sessions []*fakeSession
	steps    int // that it has made
	last     int // after which it dies, 0 for never
	dead     chan struct{}
}

func newProcess(w *world) *process {
	p := &process{world: w, dead: make(chan struct{})}
	creds := session.Credentials{ClientID: clientID, Secret: session.NewSecret([]byte(firstWord)), Generation: 1}
	if w.record != nil {
		creds = w.record.Credentials()
	}
	p.keyring = rotate.NewKeyring(creds)
	for i := range 6 {
		s := &fakeSession{process: p, name: fmt.Sprintf("s%d", i), generation: creds.Generation, token: w.epoch}
		if w.authenticate(creds) != nil {
			s.token = -1
		}
		p.sessions = append(p.sessions, s)
	}
	return p
}

// befall does to sessions what a reset does beside giving a new secret.
func (w *world) befall() {
	if w.revokes {
		w.epoch++
	}
	for _, p := range w.processes {
		for _, s := range p.sessions {
			s.dropped = s.dropped || w.drops
			if w.closes || w.closesFirst {
				s.closed, s.generation = true, 0
			}
		}
	}
}

// rotator returns a Rotator of the process; change changes its configuration.
func (p *process) rotator(t *testing.T, change func(*rotate.Config)) *rotate.Rotator {
	t.Helper()
	cfg := rotate.Config{
		Keyring: p.keyring, Store: &memoryStore{p}, Sessions: rotate.Fleet(p.sessions...),
		Throwaway: session.Config{URL: "ws://127.0.0.1:1"}, AcceptLockout: true,
		Logger: exchangetest.Logger(io.Discard),
	}
	if change != nil {
		change(&cfg)
	}
	r, err := rotate.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rotate.SetOutside(r, p.outside())
	return r
}

// step is a point at which the process may die. It must be called with the world's lock held, which it keeps.
func (p *process) step(ctx context.Context) error {
	p.steps++
	if p.last != 0 && p.steps == p.last+1 {
		close(p.dead)
	}
	if p.last == 0 || p.steps <= p.last {
		return nil
	}
	p.mu.Unlock()
	<-ctx.Done() // a dead process does nothing, not even fail
	p.mu.Lock()
	return errDown
}

// outside is the exchange as connections of their own see it. Its tokens are in rescue_test.go.
func (p *process) outside() rotate.Outside {
	return rotate.Outside{Try: p.tryCredentials, Mint: p.mint, Redeem: p.redeem, Drop: p.drop}
}

func (p *process) tryCredentials(ctx context.Context, c session.Credentials) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.step(ctx); err != nil {
		return err
	}
	p.note("try %s", c.Secret.Fingerprint())
	p.use("try", c.Secret)
	if p.try != nil {
		if err := p.try(); err != nil {
			return err
		}
	}
	return p.authenticate(c)
}

func (w *world) authenticate(c session.Credentials) error {
	if c.ClientID == clientID && c.Secret.Equal(session.NewSecret([]byte(w.secret))) {
		return nil
	}
	return &session.AuthError{ClientID: c.ClientID, Generation: c.Generation, Err: refusal(session.CodeInvalidCredentials, "")}
}

// memoryStore is a store in the world.
type memoryStore struct{ *process }

func (s *memoryStore) Load(ctx context.Context) (rotate.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.step(ctx); err != nil {
		return rotate.Record{}, err
	}
	if s.record == nil {
		return rotate.Record{}, rotate.ErrNotFound
	}
	return clone(*s.record), nil
}

func (s *memoryStore) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.step(ctx); err != nil {
		return 0, err
	}
	if s.version != ifVersion {
		return 0, rotate.ErrConflict
	}
	if s.process.save != nil {
		if err := s.process.save(r); err != nil {
			return 0, err
		}
	}
	s.note("save intent=%t candidates=%d current=%d lease=%t",
		r.Intent != nil, len(r.Candidates), r.Current.Generation, r.Lease != nil && r.Lease.Owner != "")
	now := session.NewSecret([]byte(s.secret))
	had := s.isStored(now)
	s.version++
	r = clone(r)
	r.Version = s.version
	s.record = &r
	s.keep(r.Current)
	for _, c := range r.Candidates {
		s.keep(c)
	}
	if had && !s.isStored(now) {
		s.broke("R10: the exchange's secret was dropped")
	}
	if r.Intent == nil && !r.Current.Secret.Equal(now) {
		s.broke("R9: no intent, and the current secret is not the exchange's")
	}
	if err := s.step(ctx); err != nil { // saved, but nobody alive knows
		return 0, err
	}
	return r.Version, nil
}

func (s *memoryStore) Watch(context.Context) iter.Seq2[rotate.Record, error] {
	return func(func(rotate.Record, error) bool) {}
}

func clone(r rotate.Record) rotate.Record {
	r.Candidates = slices.Clone(r.Candidates)
	if r.Intent != nil {
		intent := *r.Intent
		r.Intent = &intent
	}
	if r.Lease != nil {
		lease := *r.Lease
		r.Lease = &lease
	}
	return r
}

// fakeSession is a session of a process.
type fakeSession struct {
	*process
	name       string
	generation uint64
	token      int  // the world's epoch when it authenticated
	closed     bool // it has lost its connection, and waits for the keyring
	fault      error
	deaf       bool // it does not use the keyring
	immortal   bool // it is of another key, whatever a reset does
	dropped    bool // its subscriptions are, and nobody has noticed
	channels   []session.ChannelStats
}

func (s *fakeSession) Name() string { return s.name }

func (*fakeSession) ClientID() string { return clientID }

func (*fakeSession) Scope() string { return "" }

func (*fakeSession) CancelsOnDisconnect() bool { return false }

func (s *fakeSession) Reconnect(ctx context.Context) error {
	s.mu.Lock()
	s.closed, s.generation = true, 0
	s.mu.Unlock()
	return s.Reauthenticate(ctx)
}

func (s *fakeSession) Generation() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation
}

func (s *fakeSession) WaitReady(ctx context.Context) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if !closed {
		return nil
	}
	return s.Reauthenticate(ctx)
}

func (s *fakeSession) Reauthenticate(ctx context.Context) error {
	creds, err := s.keyring.Credentials(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.step(ctx); err != nil {
		return err
	}
	s.note("authenticate %s", s.name)
	s.use("session", creds.Secret)
	if s.fault != nil || s.deaf {
		return s.fault
	}
	if err := s.authenticate(creds); err != nil {
		return err
	}
	if s.closed {
		s.dropped = false // a new connection subscribes anew
	}
	s.generation, s.token, s.closed = creds.Generation, s.epoch, false
	return nil
}

func (s *fakeSession) Channels() []session.ChannelStats { return slices.Clone(s.channels) }

func (s *fakeSession) VerifySubscriptions(context.Context) ([]session.ChannelStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("subscriptions %s", s.name)
	s.dropped = false
	var found []session.ChannelStatus
	for _, c := range s.channels {
		found = append(found, session.ChannelStatus{Channel: c.Channel, Confirmed: true})
	}
	return found, nil
}

func (s *fakeSession) Call(_ context.Context, method string, _, result any) error {
	millis, ok := result.(*int64)
	if method != "public/get_time" || !ok {
		return refusal(rpc.CodeMethodNotFound, "")
	}
	*millis = time.Now().Add(-s.skew).UnixMilli()
	return nil
}

func (s *fakeSession) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	text, err := json.Marshal(params)
	if err != nil {
		return dst, err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return dst, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.step(ctx); err != nil {
		return dst, err
	}
	reply, err := s.keys(ctx, method, fields)
	return append(dst, reply...), err
}

// keys is the exchange's management of keys.
func (s *fakeSession) keys(ctx context.Context, method string, params map[string]any) (string, error) {
	if method == "private/list_api_keys" {
		if s.list != nil {
			return s.list(params)
		}
		return "[" + keyJSON("other", 1, "CANARY-other") + "," + keyJSON(clientID, keyID, s.secret) + "]", nil
	}
	if s.refuse != nil {
		if reply, err := s.refuse(params); reply != "" || err != nil {
			return reply, err
		}
	}
	if s.record.Intent == nil {
		s.broke("R9: reset without an intent")
	}
	if !s.immortal && (s.token != s.epoch || s.closed) {
		return "", &rpc.CallError{Method: method, Outcome: rpc.NotSent, Err: errDown}
	}
	s.resets++
	s.befall()
	s.secret = fmt.Sprintf("CANARY-secret-%d", s.resets+1)
	s.note("reset")
	if err := s.step(ctx); err != nil { // reset, but nobody alive knows
		return "", err
	}
	reply := keyJSON(clientID, keyID, s.secret)
	if s.reply != nil {
		reply = s.reply(reply)
	}
	if s.lost || s.closesFirst && !s.immortal {
		return "", &rpc.CallError{Method: method, Outcome: rpc.Unknown, Err: errDown}
	}
	return reply, nil
}

func keyJSON(client string, id int64, secret string) string {
	return fmt.Sprintf(`{"timestamp":1560242482758,"max_scope":"account:read_write trade:read","id":%d,"enabled":true,`+
		`"default":false,"client_secret":%q,"client_id":%q,"name":"NewKeyName"}`, id, secret, client)
}

// privateDir is a directory of one's own, whatever the umask.
func privateDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
