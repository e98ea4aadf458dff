package deribittest

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest/internal/market"
)

// exchange is the state of the exchange. It is not safe for concurrent use: Server.mu guards it and all that it refers to.
type exchange struct {
	cfg     Config
	server  *Server
	rng     *rand.Rand
	market  *market.Market
	methods map[string]method

	conns    map[uint64]*conn
	lastConn uint64
	subs     map[subKey]map[*conn]*subscription

	delivering bool // deliver is under way

	keys      map[int64]*key
	clients   map[string]*key // by client id
	lastKey   int64
	accounts  map[int64]*account
	addresses map[string]pools  // of who is not authenticated
	tokens    map[string]*grant // by access token and by refresh token
	lastSID   int64
	lastLog   int64

	stats     Stats
	published map[string]uint64
	losing    map[string]int // how many messages of a channel are still to be lost
	secrets   map[string]struct{}

	faults []Fault       // that wait for a request
	untold []Fault       // that Config.OnFault is to be told of
	skew   time.Duration // of the exchange's clock

	platform Platform
}

// now is the time by the exchange's clock.
func (ex *exchange) now() time.Time { return time.Now().Add(ex.skew) }

func newExchange(s *Server, now time.Time) *exchange {
	ex := &exchange{
		cfg:       s.cfg,
		server:    s,
		rng:       rand.New(rand.NewPCG(s.cfg.Seed, 0x9e3779b97f4a7c15)),
		market:    market.New(s.cfg.Seed, s.cfg.Strikes, now),
		conns:     make(map[uint64]*conn),
		subs:      make(map[subKey]map[*conn]*subscription),
		keys:      make(map[int64]*key),
		clients:   make(map[string]*key),
		accounts:  make(map[int64]*account),
		addresses: make(map[string]pools),
		tokens:    make(map[string]*grant),
		published: make(map[string]uint64),
		losing:    make(map[string]int),
		secrets:   make(map[string]struct{}),
	}
	ex.stats.Calls, ex.stats.Charged = make(map[string]uint64), make(map[string]uint64)
	ex.stats.Faults = make(map[FaultKind]uint64)
	if ex.cfg.Limits != nil {
		ex.market.Limits = ex.cfg.Limits.told()
	}
	ex.methods = methodTable(ex.market)
	return ex
}

// enter registers a connection, unless its address holds too many, and returns the status of its handshake.
func (ex *exchange) enter(c *conn, now time.Time) int {
	same := 0
	for _, other := range ex.conns {
		if other.ip == c.ip {
			same++
		}
	}
	if ex.cfg.ConnectionsPerIP > 0 && same >= ex.cfg.ConnectionsPerIP {
		return http.StatusTooManyRequests
	}
	ex.lastConn++
	c.id = ex.lastConn
	c.subs = make(map[subKey]*subscription)
	c.lastIn = now
	ex.conns[c.id] = c
	ex.stats.Connections++
	return http.StatusSwitchingProtocols
}

// leave takes a connection out of the exchange: its subscriptions end, its connection-scoped tokens die, and its orders are
// cancelled if it asked for that.
func (ex *exchange) leave(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	delete(ex.conns, c.id)
	ex.faults = slices.DeleteFunc(ex.faults, func(f Fault) bool { return f.Conn == c.id })
	for k := range c.subs {
		ex.unsubscribe(c, k)
	}
	for _, g := range c.grants {
		if g.session == nil {
			ex.kill(g)
		}
	}
	if c.cod {
		ex.market.CancelOnDisconnect(c.id, ex.now())
		ex.deliver()
	}
	for _, m := range append(c.queue, c.held...) {
		m.finish()
	}
	for _, m := range c.late {
		m.finish()
	}
	c.queue, c.held, c.late = nil, nil, nil
}

const tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// random returns n characters of base64url.
func (ex *exchange) random(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = tokenAlphabet[ex.rng.IntN(len(tokenAlphabet))]
	}
	return string(b)
}

// noteSecret remembers a text that must never show up in a log.
func (ex *exchange) noteSecret(texts ...string) {
	for _, t := range texts {
		if t != "" {
			ex.secrets[t] = struct{}{}
		}
	}
}
