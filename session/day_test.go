package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// dayBound is how long a day may take of real time, without the race detector.
const dayBound = time.Minute

// TestDay is eight hours of a session that trades while tokens end, the network fails in every way, the session is evicted,
// and its key is turned every hour. It has one outcome for each order, executes none twice, and misses no news of one untold.
// Asks: deribit-v2-ws#1, passivbot_lighter#3, viem#3498, gocryptotrader#540, f0cii/deribit-api#4, bitfinex-api-py#39,
// jsonrpsee#678, hummingbot#8250, lotus#5614, cryptofeed#1023, Kucoin.Net#140.
func TestDay(t *testing.T) {
	t.Parallel()
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		d := newDay(t)
		ctx, cancel := context.WithCancel(t.Context())
		var working sync.WaitGroup
		working.Go(func() { d.trade(ctx) })
		working.Go(func() { d.listen(ctx) })
		profiles := slices.Collect(deribittest.ResetProfiles())
		for hour := range 8 {
			for range 11 {
				time.Sleep(5 * time.Minute) //nolint:forbidigo // virtual time
				d.misfortune()
			}
			time.Sleep(5 * time.Minute) //nolint:forbidigo // virtual time
			d.turnKey(profiles[hour%len(profiles)])
		}
		time.Sleep(5 * time.Minute) //nolint:forbidigo // virtual time
		cancel()
		working.Wait()
		d.check()
	})
	took := time.Since(began).Round(time.Millisecond)
	t.Logf("eight hours took %v", took)
	if took > dayBound && !raced {
		t.Errorf("eight hours took %v, want %v at most", took, dayBound)
	}
}

// day is an exchange, a session on it, and what happened to both.
type day struct {
	t        *testing.T
	server   *deribittest.Server
	listener *deribittest.MemoryListener
	rng      *rand.Rand
	key      deribittest.Key
	cfg      session.Config
	source   *keyring
	s, admin *session.Session
	events   *session.Subscription

	unreachable atomic.Bool // no connection can be made
	mu          sync.Mutex  // protects the field below
	conns       []*lossy

	faults   map[string]int
	outcomes map[string]int
	executed []bool // by order
	told     int    // notifications of orders
	gaps     map[session.GapReason]int
}

func newDay(t *testing.T) *day {
	t.Helper()
	d := &day{
		t: t, listener: deribittest.NewMemoryListener(), rng: rand.New(rand.NewPCG(8, 8)), source: newKeyring(),
		faults: map[string]int{}, outcomes: map[string]int{}, gaps: map[session.GapReason]int{},
	}
	d.server = d.exchange()
	d.key = d.server.AddKey(deribittest.KeyConfig{})
	direct := on(d.server, d.server.AddKey(deribittest.KeyConfig{}))
	direct.NetDial = d.listener.DialContext
	d.admin = dial(t, direct)
	d.source.creds = credentials(d.key, 1)
	d.cfg = direct
	d.cfg.Credentials, d.cfg.NetDial, d.cfg.NewBackoff = d.source, d.dial, nil
	d.cfg.Scope = "session:day account:read_write trade:read_write expires:300"
	d.cfg.CancelOnDisconnect, d.cfg.Limits = true, &session.Limits{MaxWait: time.Minute}
	d.s = dial(t, d.cfg)
	d.events = subscribe(t, d.s, session.SubscribeConfig{}, orders, "book.BTC-PERPETUAL.raw", "ticker.BTC-PERPETUAL.100ms")
	return d
}

// exchange is the double without a check of its frames against the schemas, which would take most of the time. It drops private
// channels whenever it can.
func (d *day) exchange() *deribittest.Server {
	server, err := deribittest.New(deribittest.Config{
		Tick: 5 * time.Second, Listener: d.listener, ReauthDropsPrivate: true, HeartbeatGrace: 5 * time.Second,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if err := server.Close(); err != nil {
			d.t.Error(err)
		}
	})
	return server
}

// lossy is a connection that can go half-open: what is written gets lost, and nothing comes.
type lossy struct {
	net.Conn
	dead   atomic.Bool
	closed chan struct{}
	once   sync.Once
}

func (d *day) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.unreachable.Load() {
		return nil, errors.New("network is unreachable")
	}
	conn, err := d.listener.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &lossy{Conn: conn, closed: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = append(d.conns, c)
	return c, nil
}

func (c *lossy) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.dead.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *lossy) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *lossy) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// lose does something to the newest connection of the session.
func (d *day) lose(how func(*lossy)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how(d.conns[len(d.conns)-1])
}

// misfortune is one of what happens to sessions.
func (d *day) misfortune() {
	what := []string{"nothing", "cut", "half-open", "network down", "evicted", "planned reconnect"}[d.rng.IntN(6)]
	d.faults[what]++
	switch what {
	case "cut":
		d.lose(func(c *lossy) { _ = c.Close() })
	case "half-open":
		d.lose(func(c *lossy) { c.dead.Store(true) })
	case "network down":
		d.unreachable.Store(true)
		d.lose(func(c *lossy) { _ = c.Close() })
		time.Sleep(time.Minute) //nolint:forbidigo // virtual time
		d.unreachable.Store(false)
	case "evicted":
		d.evict()
	case "planned reconnect":
		if err := d.s.Reconnect(d.t.Context()); err != nil {
			d.t.Error(err)
		}
	}
}

// evict opens as many sessions as a key may have.
func (d *day) evict() {
	cfg := d.cfg
	cfg.NetDial, cfg.Limits = d.listener.DialContext, nil
	creds, err := d.source.Credentials(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for i := range 16 {
		cfg.Scope = fmt.Sprintf("session:other-%d", i)
		if _, err := session.Mint(d.t.Context(), cfg, creds); err != nil {
			d.t.Error(err)
		}
	}
}

// turnKey resets the key's secret as a rotation does, while the source lets nobody have the old one.
func (d *day) turnKey(behaviour deribittest.ResetProfile) {
	open := d.source.shut()
	d.server.SetReset(behaviour)
	if err := d.admin.Call(d.t.Context(), "private/reset_api_key", map[string]int64{"id": d.key.ID}, nil); err != nil {
		d.t.Fatal(err)
	}
	<-time.After(10 * time.Second) // the secret is being stored
	key, _ := d.server.Key(d.key.ID)
	d.source.mu.Lock()
	d.source.creds = credentials(key, d.source.creds.Generation+1)
	d.source.gate = nil
	d.source.mu.Unlock()
	open()
	if err := d.s.Reauthenticate(d.t.Context()); err != nil {
		d.t.Errorf("%v: %v", behaviour, err)
	}
	if _, err := d.s.VerifySubscriptions(d.t.Context()); err != nil {
		d.t.Errorf("%v: %v", behaviour, err)
	}
}

// trade places an order every five seconds, and cancels it.
func (d *day) trade(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		var placed struct {
			Order struct {
				ID string `json:"order_id"`
			} `json:"order"`
		}
		label := strconv.Itoa(i)
		err := d.s.Call(d.t.Context(), "private/buy", order(label), &placed)
		d.settle(label, err)
		if err != nil {
			continue
		}
		err = d.s.Call(d.t.Context(), "private/cancel", map[string]string{"order_id": placed.Order.ID}, nil)
		if err != nil && !isA[*rpc.CallError](err) && !isA[*rpc.Error](err) { // an Error: its connection was lost, and that cancelled it
			d.t.Errorf("cancel: %v", err)
		}
	}
}

// settle holds the outcome of an order against what the exchange did.
func (d *day) settle(label string, err error) {
	n := d.server.Executed(label)
	d.executed = append(d.executed, n > 0)
	outcome := "placed"
	unanswered, ok := errors.AsType[*rpc.CallError](err)
	switch {
	case ok:
		outcome = unanswered.Outcome.String()
	case err != nil:
		d.t.Errorf("order %s: %v", label, err)
	}
	d.outcomes[outcome]++
	if n > 1 || err == nil && n != 1 || ok && unanswered.Outcome == rpc.NotSent && n != 0 {
		d.t.Errorf("order %s was executed %d times: %v", label, n, err)
	}
}

// listen follows the news of orders: one that was executed is told of, or a gap is.
func (d *day) listen(ctx context.Context) {
	next, gap := 0, false
	for n, err := range d.events.Notifications(ctx) {
		if marker, ok := errors.AsType[*session.GapError](err); ok {
			d.gaps[marker.Reason]++
			gap = true
			continue
		}
		if err != nil && ctx.Err() == nil {
			d.t.Errorf("the subscription ended: %v", err)
		}
		if err != nil || n.Channel != orders {
			continue
		}
		var event struct {
			Label string `json:"label"`
			State string `json:"order_state"`
		}
		if err := json.Unmarshal(n.Data, &event); err != nil {
			d.t.Errorf("%s: %v", n.Data, err)
		}
		i, err := strconv.Atoi(event.Label)
		if err != nil || event.State != "open" {
			continue
		}
		for ; next < i; next++ {
			if d.server.Executed(strconv.Itoa(next)) > 0 && !gap {
				d.t.Errorf("order %d was executed, and neither it nor a gap was told", next)
			}
		}
		next, gap = i+1, false
		d.told++
	}
}

// check looks at the end of the day.
func (d *day) check() {
	t, stats := d.t, d.s.Stats()
	t.Logf("%v; outcomes %v; %d orders told, gaps %v; %d connections, %d authentications, %d calls resent, %d heartbeats answered",
		d.faults, d.outcomes, d.told, d.gaps, stats.Epoch, d.server.Stats().Authentications, stats.Resent, d.server.Stats().Calls["public/test"])
	if !d.s.Ready() || d.s.Generation() != 9 {
		t.Errorf("state %v at generation %d, want ready at 9", d.s.State(), d.s.Generation())
	}
	if len(d.faults) != 6 {
		t.Errorf("not all misfortunes happened: %v", d.faults)
	}
	if d.outcomes["placed"] < 5_000 || d.told < 5_000 || d.gaps[session.GapReconnect] == 0 || d.gaps[session.GapResumed] == 0 {
		t.Errorf("outcomes %v, %d orders told, gaps %v", d.outcomes, d.told, d.gaps)
	}
	if n := d.server.Stats().Calls["public/test"]; n < 850 {
		t.Errorf("%d heartbeats answered in eight hours", n)
	}
}
