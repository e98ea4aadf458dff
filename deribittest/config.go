package deribittest

import (
	"crypto/tls"
	"net"
	"time"
)

// Config sets up a Server. The zero value is the documented behaviour on a loopback port, at its most orderly: Reorder and Limits add
// what is documented, too. Each other switch below is a point that the exchange's documents leave open, or contradict.
type Config struct {
	// Listener accepts the server's connections, and is closed by Close. Nil listens on 127.0.0.1, on a free port.
	Listener net.Listener
	// TLS, when set, makes the server speak wss and https.
	TLS *tls.Config
	// Seed makes keys, tokens and the market reproducible.
	Seed uint64
	// Tick is the interval at which the market moves; 0 is 20 ms. When negative, only Server.Tick moves it.
	Tick time.Duration
	// Strikes is at how many prices options are listed for each expiry; 0 is 4. The exchange lists some dozens.
	Strikes int
	// OnFrame, when set, is told of every frame. It is called by many goroutines at once, outside every lock, before the
	// frame is handled or written; it must not keep or change Frame.Data, nor call CutConnections or Close.
	OnFrame func(Frame)

	// Reset is what a reset of a key does to the key's tokens, subscriptions and connections. Not documented.
	Reset ResetProfile
	// SelfResetRefused refuses a reset of the key that asks for it, with 13403. Not documented.
	SelfResetRefused bool
	// ListHidesSecrets leaves client_secret empty in private/list_api_keys for every caller; by default a caller with
	// account:read_write sees it. The documents contradict each other.
	ListHidesSecrets bool
	// MaxScopeList gives max_scope as a list of strings, as the newer schema does, instead of one string.
	MaxScopeList bool
	// SecondFactorError answers a call without its second factor with error 13668 (tfa_code_is_required) instead of the
	// challenge. The documents state both.
	SecondFactorError bool

	// TokenLife is the life of access and refresh tokens without expires:N in their scope; 0 is a year. Documented
	// examples show a year; the life of a refresh token is not documented.
	TokenLife time.Duration
	// BadSignatureCode is the error code of a wrong client_signature; 0 is 13004 (invalid_credentials), that of a wrong secret. The
	// table of errors has a bad signature under 13009 (unauthorized), and under 10000 (authorization_required).
	BadSignatureCode int
	// AuthorizationRequired refuses a private call of nobody, or with a token that died, with 10000 (authorization_required)
	// instead of 13009 (unauthorized). The table of errors has both.
	AuthorizationRequired bool
	// LoginFailures is the number of failed logins of one client id in a row after which its logins answer 12003, until the
	// key has a new secret. 0 is no limit. Neither the number nor the end is documented.
	LoginFailures int
	// ReauthRefused refuses public/auth with a key's credentials on a connection that is authenticated, with 13008. A refresh
	// token is taken there as ever. Not documented.
	ReauthRefused bool
	// FailedAuthDeauthenticates makes a refused public/auth end the authentication of its connection: private calls on it
	// answer as those of nobody until the next one. Tokens live, and channels flow, as before. Not documented.
	FailedAuthDeauthenticates bool
	// ReauthDropsPrivate makes public/auth on an authenticated connection end its private and raw channels. Not documented.
	ReauthDropsPrivate bool
	// SnapshotAgain sends a second snapshot for a channel that is already subscribed. Not documented.
	SnapshotAgain bool

	// HeartbeatGrace is the time in which test_request has to be answered; 0 is the heartbeat's interval. Not documented.
	HeartbeatGrace time.Duration
	// Reorder has come in another order what the exchange promises no order of, chosen by Seed: replies of one category (matching,
	// private, public) overtake those of another; what a call causes comes behind its reply; and a book's snapshot is followed by a
	// change that it has in it already. The effects of calls keep their order.
	Reorder bool
	// ConnectionsPerIP limits the WebSocket connections of one address: one more gets HTTP 429. 0 is the documented 32;
	// when negative there is no limit.
	ConnectionsPerIP int
	// SendBuffer is the number of bytes that may wait to be written to one connection; a reader that falls behind it is
	// dropped (connection_too_slow). 0 is 16 MiB. Not documented.
	SendBuffer int
	// Limits makes requests cost credits, and refuses those for which there are none left, with 10028. Nil is no limit.
	Limits *Limits

	// Chaos, when set, has faults happen to the WebSocket connections by themselves.
	Chaos *Chaos
	// OnFault, when set, is told of every fault that happened, in order, by one goroutine and outside every lock. For a fault
	// of a request Fault.Method is the request's. It must not call Close.
	OnFault func(Fault)
}

const (
	defaultTick        = 20 * time.Millisecond
	defaultTokenLife   = 365 * 24 * time.Hour
	defaultConnections = 32
	defaultSendBuffer  = 16 << 20
)

func (c Config) withDefaults() Config {
	if c.Tick == 0 {
		c.Tick = defaultTick
	}
	if c.TokenLife == 0 {
		c.TokenLife = defaultTokenLife
	}
	if c.BadSignatureCode == 0 {
		c.BadSignatureCode = codeInvalidCredentials
	}
	if c.ConnectionsPerIP == 0 {
		c.ConnectionsPerIP = defaultConnections
	}
	if c.SendBuffer == 0 {
		c.SendBuffer = defaultSendBuffer
	}
	if c.Limits != nil {
		limits := c.Limits.withDefaults()
		c.Limits = &limits
	}
	return c
}

// Frame is one message on the wire, for Config.OnFrame.
type Frame struct {
	// Conn is the connection's number, counted from 1; 0 is REST.
	Conn uint64
	// Incoming is true for what a client sent.
	Incoming bool
	// Method is the request's method, also for its reply; for a notification it is the channel. It is empty where the
	// message has none.
	Method string
	// Data is the message: a JSON text, unless a client sent something else. For REST requests it is the body or the query.
	Data []byte
}
