package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// What a reset may do to what the key had authenticated, beside nothing.
var (
	tokensRevoked     = deribittest.ResetProfile{TokensRevoked: true}
	connectionsClosed = deribittest.ResetProfile{TokensRevoked: true, Connections: deribittest.ConnectionsClosedAfterReply}
)

// rotation is a key of the exchange's double that is reset under a session, as a rotator does it.
type rotation struct {
	server *deribittest.Server
	key    deribittest.Key
	admin  *session.Session
	ring   *keyring
	reset  deribittest.ResetProfile
	placed atomic.Int64 // orders
}

func newRotation(t *testing.T, cfg deribittest.Config) *rotation {
	t.Helper()
	r := &rotation{server: newServer(t, cfg), ring: newKeyring(), reset: cfg.Reset}
	r.key = r.server.AddKey(deribittest.KeyConfig{})
	r.ring.creds = credentials(r.key, 1)
	r.admin = dial(t, on(r.server, r.server.AddKey(deribittest.KeyConfig{})))
	return r
}

func (r *rotation) session() session.Config {
	cfg := on(r.server, r.key)
	cfg.Credentials = r.ring
	return cfg
}

// turn resets the key once. From the reset to the publication the source lets nobody authenticate.
func (r *rotation) turn(t *testing.T, generation uint64) {
	t.Helper()
	open := r.ring.shut()
	defer open()
	var reset struct {
		ClientSecret session.Secret `json:"client_secret"`
	}
	if err := r.admin.Call(t.Context(), "private/reset_api_key", map[string]int64{"id": r.key.ID}, &reset); err != nil {
		t.Fatal(err)
	}
	r.ring.mu.Lock()
	r.ring.creds = session.Credentials{ClientID: r.key.ClientID, Secret: reset.ClientSecret, Generation: generation}
	r.ring.mu.Unlock()
}

// TestRotationUnder64Callers turns the key three times under 64 callers, in each of the ways in which the exchange may take
// it. Where sockets live, no call fails and no notification is missed; nowhere is an order executed twice.
// Asks: PraisonAI#2661, hxa-connect#67.
func TestRotationUnder64Callers(t *testing.T) {
	t.Parallel()
	for _, behaviour := range []deribittest.ResetProfile{{}, tokensRevoked, connectionsClosed} {
		t.Run(behaviour.String(), func(t *testing.T) {
			t.Parallel()
			r := newRotation(t, deribittest.Config{Reset: behaviour, Reorder: true})
			s := dial(t, r.session())
			defer func() {
				if t.Failed() {
					t.Logf("at the end: %+v", s.Stats())
				}
			}()
			sub := subscribe(t, s, session.SubscribeConfig{Buffer: 1 << 16}, "book.BTC-PERPETUAL.raw", "user.orders.any.any.raw")
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for caller := range 64 {
				wg.Go(func() { r.orders(t, s, caller, stop) })
			}
			for generation := uint64(2); generation <= 4; generation++ {
				done := r.placed.Load()
				until(t, "orders are placed", func() bool { return r.placed.Load() > done+32 })
				r.turn(t, generation)
				if behaviour != connectionsClosed {
					if err := s.Reauthenticate(t.Context()); err != nil {
						t.Errorf("Reauthenticate: %v", err)
					}
				}
				until(t, "the new secret is in use", func() bool { return s.Generation() == generation })
			}
			close(stop)
			wg.Wait()
			r.verify(t, s, sub)
		})
	}
}

// orders places one order after the other until stop is closed.
func (r *rotation) orders(t *testing.T, s *session.Session, caller int, stop <-chan struct{}) {
	t.Helper()
	mayBeLost := r.reset == connectionsClosed
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		label := fmt.Sprintf("%d-%d", caller, i)
		err := s.Call(t.Context(), "private/buy", order(label), nil)
		executed := r.server.Executed(label)
		unanswered, isUnanswered := errors.AsType[*rpc.CallError](err)
		switch {
		case err == nil && executed == 1:
			r.placed.Add(1)
		case mayBeLost && isUnanswered && unanswered.Outcome == rpc.Unknown && executed <= 1:
		case mayBeLost && isUnanswered && unanswered.Outcome == rpc.NotSent && executed == 0:
			if err := s.WaitReady(t.Context()); err != nil {
				t.Errorf("WaitReady: %v", err)
				return
			}
		default:
			t.Errorf("order %s: executed %d times, %v", label, executed, err)
			return
		}
		var cancelled int
		if err := s.Call(t.Context(), "private/cancel_all", nil, &cancelled); err != nil && !mayBeLost {
			t.Errorf("cancel_all: %v", err)
		}
	}
}

// verify holds the subscription against what the behaviour allows to be lost.
func (r *rotation) verify(t *testing.T, s *session.Session, sub *session.Subscription) {
	t.Helper()
	wantGaps, wantEpoch := 0, uint64(1)
	if r.reset == connectionsClosed {
		wantGaps, wantEpoch = 3, 4
	}
	gaps := 0
	for _, entry := range waiting(t, sub) {
		if strings.HasPrefix(entry, string(session.GapReconnect)) {
			gaps++
		} else if strings.HasPrefix(entry, string(session.GapSequence)) || strings.HasPrefix(entry, string(session.GapOverflow)) {
			t.Errorf("the stream holds %s", entry)
		}
	}
	if gaps != wantGaps || s.Stats().Epoch != wantEpoch {
		t.Errorf("%d gaps over %d connections, want %d over %d", gaps, s.Stats().Epoch, wantGaps, wantEpoch)
	}
	for _, ch := range s.Channels() {
		if ch.Breaks != 0 || ch.Notifications == 0 {
			t.Errorf("%+v", ch)
		}
	}
	statuses, err := s.VerifySubscriptions(t.Context())
	if err != nil || len(statuses) != 2 || !statuses[1].Confirmed {
		t.Errorf("VerifySubscriptions: %+v, %v", statuses, err)
	}
}

// TestI10NothingPrintsASecret runs sessions through all that they can meet, has everything printed that they log, return or
// tell an observer, and searches it for each secret that the exchange's double ever gave or was sent.
// Asks: alpaca-rs#75, binance-connector-js#561, DXlink#3, unicorn-binance-websocket-api#112, deepgram#731.
func TestI10NothingPrintsASecret(t *testing.T) {
	t.Parallel()
	out := &transcript{}
	for _, behaviour := range []deribittest.ResetProfile{tokensRevoked, connectionsClosed} {
		r := newRotation(t, deribittest.Config{Reset: behaviour})
		for _, grant := range []session.Grant{session.GrantSignature, session.GrantCredentials} {
			for _, handler := range []slog.Handler{
				slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}),
				slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}),
			} {
				cfg := r.session()
				cfg.Grant, cfg.Logger, cfg.Observer = grant, slog.New(handler), &teller{out: out}
				r.live(t, cfg, out)
			}
		}
		for _, secret := range r.server.Secrets() {
			if strings.Contains(out.String(), secret) {
				t.Errorf("%s: a secret of %d bytes was printed", behaviour, len(secret))
			}
		}
		if n := len(r.server.Secrets()); n < 40 {
			t.Errorf("only %d secrets existed: the test shows nothing", n)
		}
	}
	if n := strings.Count(out.String(), "\n"); n < 100 {
		t.Errorf("only %d lines were printed: the test shows nothing", n)
	}
}

// cut breaks all connections, and waits until the session and the admin's have new ones.
func (r *rotation) cut(t *testing.T, s *session.Session) {
	t.Helper()
	all := []*session.Session{s, r.admin}
	before := []uint64{s.Stats().Epoch, r.admin.Stats().Epoch}
	r.server.CutConnections()
	for i, cut := range all {
		until(t, "a session has a new connection", func() bool { return cut.Ready() && cut.Stats().Epoch > before[i] })
	}
}

// live is the life of a session with as much misfortune as there is.
func (r *rotation) live(t *testing.T, cfg session.Config, out *transcript) {
	t.Helper()
	s, err := session.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{"access_token": canary}
	out.tell(s.Call(t.Context(), "private/get_positions", bad, nil))
	var raw []byte
	raw, err = s.CallRaw(t.Context(), "private/no_such_method", bad, raw)
	out.tell(err, string(raw))
	sub := subscribe(t, s, session.SubscribeConfig{}, "user.access_log", "ticker.BTC-PERPETUAL.raw")
	_, err = s.Subscribe(t.Context(), session.SubscribeConfig{}, "no.such.channel")
	out.tell(err)
	r.turn(t, s.Generation()+1)
	out.tell(s.Reauthenticate(t.Context()))
	r.cut(t, s)
	out.tell(s.Stats(), s.Channels())
	out.tell(waiting(t, sub))
	statuses, err := s.VerifySubscriptions(t.Context())
	out.tell(statuses, err)
	out.tell(s.Close(t.Context()), s.Err(), s, sub, cfg)

	wrong := cfg
	wrong.Credentials = session.Credentials{ClientID: r.key.ClientID, Secret: session.NewSecret([]byte(canary + "-wrong"))}
	_, err = session.Dial(t.Context(), wrong)
	out.tell(err)
	wrong.Credentials, wrong.Scope = r.ring, "custody:read_write"
	_, err = session.Dial(t.Context(), wrong)
	out.tell(err)
}

// transcript keeps all that is printed.
type transcript struct {
	mu   sync.Mutex // protects text
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *transcript) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// tell prints values in each form that prints more than the text.
func (o *transcript) tell(values ...any) {
	for _, v := range values {
		fmt.Fprintf(o, "%v\n%+v\n%#v\n%s\n", v, v, v, v)
	}
}

// teller is an Observer that prints all that it is told.
type teller struct{ out *transcript }

// Opened implements session.Observer.
func (o *teller) Opened(s *session.Session) { o.out.tell(s.Name(), s.URL()) }

// Ended implements session.Observer.
func (o *teller) Ended(s *session.Session) { o.out.tell(s.Stats()) }

// Calls implements session.Observer.
func (o *teller) Calls(_ context.Context, step session.Step) rpc.Observer {
	o.out.tell(step)
	return o
}

// StepStart implements session.Observer.
func (o *teller) StepStart(ctx context.Context, step session.Step) (context.Context, func(session.StepEnd)) {
	o.out.tell(step)
	return ctx, func(end session.StepEnd) { o.out.tell(end, end.Err) }
}

// StateChanged implements session.Observer.
func (o *teller) StateChanged(_ *session.Session, from, to session.State, err error) {
	o.out.tell(from, to, err)
}

// Gap implements session.Observer.
func (o *teller) Gap(_ *session.Session, gap *session.GapError) { o.out.tell(gap) }

// Resent implements session.Observer.
func (o *teller) Resent(_ *session.Session, method string) { o.out.tell(method) }

// CallStart implements rpc.Observer.
func (o *teller) CallStart(ctx context.Context, call rpc.CallInfo) context.Context {
	o.out.tell(call)
	return ctx
}

// CallEnd implements rpc.Observer.
func (o *teller) CallEnd(_ context.Context, call rpc.CallInfo, end rpc.CallEnd) {
	o.out.tell(call, end, end.Err)
}

// Stray implements rpc.Observer.
func (o *teller) Stray(stray rpc.Stray) { o.out.tell(stray, stray.Err) }
