package crashtest_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// The calls on keys.
const (
	resetMethod  = "private/reset_api_key"
	createMethod = "private/create_api_key"
	removeMethod = "private/remove_api_key"
	listMethod   = "private/list_api_keys"
)

// calls are the names, in points, of those that change keys.
var calls = map[string]string{resetMethod: "reset", createMethod: "create", removeMethod: "remove"}

// store dies before, in and after a Save.
type store struct {
	rotate.Store
	path   string
	killer *killer
}

func (s *store) Save(ctx context.Context, next rotate.Record, ifVersion uint64) (uint64, error) {
	if s.killer == nil {
		return s.Store.Save(ctx, next, ifVersion)
	}
	last, err := s.Load(ctx)
	if err != nil {
		return 0, err
	}
	what := change(last, next)
	s.killer.at("before save: " + what)
	var watch sync.WaitGroup
	saved := make(chan struct{})
	if s.killer.wants("written: "+what, "renamed: "+what) {
		watching := make(chan struct{})
		watch.Go(func() { s.watch(what, watching, saved) })
		<-watching
	}
	version, err := s.Store.Save(ctx, next, ifVersion)
	close(saved)
	watch.Wait()
	if err == nil {
		s.killer.at("after save: " + what)
	}
	return version, err
}

// watch dies as soon as it sees the new file, which is not flushed yet, or that it has taken the place of the old one, which the
// directory does not have durably yet.
func (s *store) watch(what string, watching, saved chan struct{}) {
	before, err := os.Stat(s.path)
	if err != nil {
		panic(err)
	}
	written := filepath.Join(filepath.Dir(s.path), "."+filepath.Base(s.path)+".new")
	close(watching)
	for {
		if now, err := os.Stat(written); err == nil && now.Size() > 0 {
			s.killer.at("written: " + what)
		}
		if now, err := os.Stat(s.path); err == nil && !os.SameFile(before, now) {
			s.killer.at("renamed: " + what)
			return
		}
		select {
		case <-saved:
			return
		default:
			runtime.Gosched()
		}
	}
}

// change names what a Save is for.
func change(last, next rotate.Record) string {
	was, is := last.Intent, next.Intent
	old, now := last.Replacement, next.Replacement
	switch {
	case !next.Current.Secret.Equal(last.Current.Secret):
		return "current"
	case len(next.Candidates) > len(last.Candidates):
		return "candidate"
	case old == nil && now != nil:
		return "named"
	case old != nil && now == nil:
		return "replaced"
	case now != nil && now.KeyID != old.KeyID:
		return "stored"
	case was == nil && is != nil:
		return "intent"
	case was != nil && is == nil:
		return "cleared"
	case is != nil && !is.Rescue.Equal(was.Rescue):
		return "rescue" // and a stamp
	case is != nil && is.Sent.After(was.Sent):
		return "stamp"
	case next.Lease != nil && next.Lease.Owner == "":
		return "released"
	case next.Lease != nil && (last.Lease == nil || next.Lease.Owner != last.Lease.Owner):
		return "lease"
	}
	return "other"
}

// authority dies before and after a call that changes keys, and while its bytes are on their way.
type authority struct {
	*session.Session
	killer *killer
	wire   *wire
}

func (a *authority) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	name := calls[method]
	if name == "" {
		return a.Session.CallRaw(ctx, method, params, dst)
	}
	a.killer.at("before call: " + name)
	a.wire.arm("", "sent: "+name, "reply read: "+name)
	dst, err := a.Session.CallRaw(ctx, method, params, dst)
	a.wire.points.Store(nil)
	a.killer.at("after call: " + name)
	return dst, err
}

// wire is a way to the exchange on which the process dies once it is armed.
type wire struct {
	killer *killer
	points atomic.Pointer[wirePoints] // nil while it is not armed
}

// wirePoints are names of points.
type wirePoints struct{ dialed, sent, read string }

func (w *wire) arm(dialed, sent, read string) { w.points.Store(&wirePoints{dialed, sent, read}) }

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if p := w.points.Load(); p != nil {
		w.killer.at(p.dialed)
	}
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, wire: w}, nil
}

type conn struct {
	net.Conn
	wire *wire
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if armed := c.wire.points.Load(); armed != nil {
		c.wire.killer.at(armed.sent)
	}
	return n, err
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if armed := c.wire.points.Load(); n > 0 && armed != nil {
		c.wire.killer.at(armed.read)
	}
	return n, err
}

// observer dies where a step begins and where it ends.
type observer struct{ killer *killer }

func (observer) RotationStart(ctx context.Context, _ rotate.Rotation) (context.Context, func(rotate.RotationEnd)) {
	return ctx, func(rotate.RotationEnd) {}
}

func (o observer) RotationStep(ctx context.Context, step rotate.Step) (context.Context, func(error)) {
	o.killer.at("step begins: " + string(step.Kind))
	return ctx, func(error) { o.killer.at("step ends: " + string(step.Kind)) }
}
