package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

const methodReset = "private/reset_api_key"

// authority is the session that resets the key. One reset can be meddled with.
type authority struct {
	*session.Session

	next atomic.Pointer[meddling]
}

// meddling is called in the place of a reset.
type meddling func(ctx context.Context, reset func() ([]byte, error)) ([]byte, error)

// meddle meddles with the next reset.
func (a *authority) meddle(m meddling) { a.next.Store(&m) }

// CallRaw implements rotate.Authority.
func (a *authority) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	call := func() ([]byte, error) { return a.Session.CallRaw(ctx, method, params, dst) }
	if method == methodReset {
		if m := a.next.Swap(nil); m != nil {
			return (*m)(ctx, call)
		}
	}
	return call()
}

// line is the authority's way to the exchange, which can be cut.
type line struct {
	cutAtReply atomic.Bool // when the reply to the next reset is about to be written
	cuts       atomic.Int32

	mu   sync.Mutex // protects the fields below
	conn net.Conn
	errs []error // of cuts
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
	return conn, nil
}

// cut breaks the connection. Nothing is sent over it any more.
func (l *line) cut() {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	err := conn.Close()
	l.cuts.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// failed is why the connection could not be cut.
func (l *line) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errs...)
}

// onFrame is the exchange's: it is told of a reply before that is written.
func (l *line) onFrame(f deribittest.Frame) {
	if f.Method == methodReset && !f.Incoming && l.cutAtReply.CompareAndSwap(true, false) {
		l.cut()
	}
}

// errFull is what a full disk says.
var errFull = fmt.Errorf("save: %w", syscall.ENOSPC)

// outage is how long the store is full.
const outage = time.Second

// fullStore is a store that takes no candidate for a while, once it is armed.
type fullStore struct {
	rotate.Store
	refused atomic.Int32

	mu    sync.Mutex // protects the fields below
	armed bool
	until time.Time // zero before it has refused anything
}

func (f *fullStore) arm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = true
}

// Save implements rotate.Store.
func (f *fullStore) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	if f.isFull(record) {
		f.refused.Add(1)
		return 0, errFull
	}
	return f.Store.Save(ctx, record, ifVersion)
}

func (f *fullStore) isFull(record rotate.Record) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.armed && len(record.Candidates) > 0 && f.until.IsZero() {
		f.until = time.Now().Add(outage)
	}
	return time.Now().Before(f.until)
}

// person answers the exchange with the codes that a device shows.
type person struct {
	code     func() string
	repeat   atomic.Bool // answer once with a code that was used
	repeated atomic.Int32

	mu   sync.Mutex // protects used
	used []string
}

// answer waits for a code that was not used yet, as a person would.
func (p *person) answer(ctx context.Context, _ rotate.Challenge) (string, error) {
	if code, ok := p.last(); ok && p.repeat.CompareAndSwap(true, false) {
		p.repeated.Add(1)
		return code, nil
	}
	for {
		if code := p.code(); p.use(code) {
			return code, nil
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return "", err
		}
	}
}

func (p *person) last() (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.used) == 0 {
		return "", false
	}
	return p.used[len(p.used)-1], true
}

func (p *person) use(code string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.used, code) {
		return false
	}
	p.used = append(p.used, code)
	return true
}
