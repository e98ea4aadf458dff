package rotate

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// Config configures a Rotator. Keyring and Store are needed, and Throwaway.URL; Authority or Sessions must be able to send the reset.
type Config struct {
	// Keyring is what the sessions take their credentials from.
	Keyring *Keyring
	// Store keeps the secret. An empty one is given the keyring's current credentials.
	Store Store
	// Spare takes a new secret that Store does not take, so that a crash before Store is back does not cost it; Recover looks there
	// too. It should not share a disk with Store. Nil means none.
	Spare Store
	// Sessions returns the sessions to re-authenticate; it is asked by any goroutine, more than once in each rotation, and what it
	// returned must not be changed. Nil means none. See [Fleet], for sessions that stay the same.
	Sessions func() []Session
	// Authority sends the reset: best a session of a second key with account:read_write, for that one can reset the key again if
	// the answer is lost, whatever has become of the key's own tokens. Nil means the first of Sessions.
	Authority Authority
	// TokensSurvive says that tokens of the key outlive a reset of its secret, which the exchange does not document: the command
	// "holdfast probe" finds out. Then a refresh token that is stored with the intent can reset the key again if the answer is lost. It is a weaker authority than a
	// second key: a crash in the moment in which the token is exchanged for the next one costs it.
	TokensSurvive bool
	// ConnectionsSurvive says that a reset leaves the connections of the key open, which the exchange does not document: "holdfast probe"
	// finds out. Without it a Report warns of sessions whose orders are cancelled when their connection is lost. A rotation is not refused
	// for it: who has set that wants it so whenever a connection ends.
	ConnectionsSurvive bool
	// AcceptLockout lets a rotation begin although nobody might be left who could reset the key again if the answer is lost: no
	// Authority of another key, and no TokensSurvive. A person would have to, on the exchange's website. Without it such a rotation is refused with
	// [ErrNoRecoveryAuthority].
	AcceptLockout bool
	// TakeBack lets the rotator reset the key again after somebody else has, whose secret it does not know. Without it that is a
	// [*LockedOutError] that matches [ErrForeignReset]: who has reset the key may have had a reason.
	TakeBack bool
	// Strategy is how Rotate turns the key: in place, which is the default, or by a second key that takes its place.
	Strategy Strategy
	// Overlap is how long Replace leaves the old key alone after every session of this process has the new one, for processes that
	// follow the store; 0 means 60 s.
	Overlap time.Duration
	// KeyID is the exchange's number of the key; 0 has it looked up by the client id.
	KeyID int64
	// Throwaway says where and how a secret is tried: on a connection of its own. Its Credentials and Scope are not used.
	Throwaway session.Config

	// Hooks are called in the course of a rotation.
	Hooks Hooks
	// SecondFactor answers the exchange's demand for a second factor within 45 s. Nil fails the rotation if it is asked for.
	SecondFactor func(ctx context.Context, c Challenge) (code string, err error)
	// Observer is told of rotations and steps; nil for none. Package telemetry has one.
	Observer Observer
	// Logger is told what an operator wants to read; nil for nothing. No secret is ever logged.
	Logger *slog.Logger

	// WaveSize is how many sessions re-authenticate at once, after the first has succeeded alone; 0 means 4.
	WaveSize int
	// Stagger is from one session's re-authentication to the next, at least, so that they do not come in bursts, which the calls of
	// all would feel. 0 means 100 ms: 16 sessions take 1.5 s. Below 0 means none.
	// The cost is that a session whose tokens the reset has ended gets no private notifications until its turn, or until a call of
	// its own is refused, for that has it authenticate at once.
	Stagger time.Duration
	// ResetTimeout bounds the wait for the answer to a reset; 0 means 15 s.
	ResetTimeout time.Duration
	// Quarantine is how long after it was sent a reset without an answer may yet be executed; 0 means 60 s. The intent stands
	// as long. What the exchange does is not documented.
	Quarantine time.Duration
	// SessionTimeout bounds the wait for a session to be ready, and again for it to re-authenticate; 0 means 30 s.
	SessionTimeout time.Duration
	// StoreTimeout bounds each access to the store; 0 means 5 s. A store that does not return by then is left behind with a goroutine, and
	// not asked again until it does; Close waits for that until its ctx ends.
	StoreTimeout time.Duration
	// HookTimeout bounds each hook; 0 means 10 s.
	HookTimeout time.Duration
	// LeaseTTL is how long the lease lasts that is renewed before each reset, at least twice ResetTimeout; 0 means 60 s, or
	// that if it is longer. It should be the same for all who share a store.
	LeaseTTL time.Duration
}

// A Session is what is re-authenticated: a [*session.Session].
type Session interface {
	Authority
	// Name tells sessions apart in reports.
	Name() string
	// Scope is what it asks for when it authenticates, or empty. The exchange keeps a certain number of sessions with a name.
	Scope() string
	// CancelsOnDisconnect says whether the exchange is to cancel its orders when it loses its connection.
	CancelsOnDisconnect() bool
	// Generation is that of the credentials with which the present connection authenticated, 0 if there is none.
	Generation() uint64
	// Reauthenticate authenticates on the same connection with what the Keyring has.
	Reauthenticate(ctx context.Context) error
	// Reconnect moves to a new connection, which authenticates with what the Keyring has.
	Reconnect(ctx context.Context) error
	// Channels returns the counters of each channel that is subscribed to.
	Channels() []session.ChannelStats
	// VerifySubscriptions asks the exchange whether they still are.
	VerifySubscriptions(ctx context.Context) ([]session.ChannelStatus, error)
}

var _ Session = (*session.Session)(nil)

// Fleet returns a Config.Sessions of sessions that do not change.
func Fleet[S Session](sessions ...S) func() []Session {
	fleet := make([]Session, len(sessions))
	for i, s := range sessions {
		fleet[i] = s
	}
	return func() []Session { return fleet }
}

// secondFactorTimeout leaves time to send the answer while the challenge lives, which is a minute.
const secondFactorTimeout = 45 * time.Second

func (c Config) withDefaults() Config {
	if c.Sessions == nil {
		c.Sessions = func() []Session { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.WaveSize <= 0 {
		c.WaveSize = 4
	}
	if c.Stagger == 0 {
		c.Stagger = 100 * time.Millisecond
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.ResetTimeout, 15 * time.Second},
		{&c.Quarantine, time.Minute},
		{&c.SessionTimeout, 30 * time.Second},
		{&c.StoreTimeout, 5 * time.Second},
		{&c.Overlap, time.Minute},
		{&c.HookTimeout, 10 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.LeaseTTL <= 0 {
		c.LeaseTTL = max(time.Minute, 2*c.ResetTimeout)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Keyring == nil:
		return fmt.Errorf("%w: Keyring: is nil: make one with NewKeyring and give it to the sessions", ErrConfig)
	case c.Store == nil:
		return fmt.Errorf("%w: Store: is nil: open one with filestore.Open", ErrConfig)
	case c.Keyring.Current().Signer != nil:
		return fmt.Errorf("%w: Keyring: %w", ErrConfig, errSigner)
	case c.Keyring.Current().ClientID == "" || c.Keyring.Current().Secret.IsZero():
		return fmt.Errorf("%w: Keyring: has no client id or no secret", ErrConfig)
	case c.Strategy > Replace:
		return fmt.Errorf("%w: Strategy: there is no %v", ErrConfig, c.Strategy)
	case c.Strategy == Replace && c.SecondFactor == nil:
		return fmt.Errorf("%w: SecondFactor: is nil: the exchange asks for one when a key is created", ErrConfig)
	case c.Throwaway.URL == "":
		return fmt.Errorf("%w: Throwaway.URL: is empty: new secrets are tried there before they are used", ErrConfig)
	case c.Authority == nil && c.Sessions == nil:
		return fmt.Errorf("%w: Authority: is nil, and there are no Sessions to take one from", ErrConfig)
	case c.LeaseTTL > 0 && c.LeaseTTL < 2*c.withDefaults().ResetTimeout:
		return fmt.Errorf("%w: LeaseTTL: must be at least twice ResetTimeout", ErrConfig)
	}
	return nil
}
