package session_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// constantly waits the same time before each attempt.
type constantly time.Duration

func (c constantly) NextBackOff() time.Duration { return time.Duration(c) }
func (constantly) Reset()                       {}

// quickly makes reconnects follow at once.
func quickly() session.Backoffer { return constantly(time.Millisecond) }

// newServer starts the exchange's double on loopback, whose every message is held against the published schemas.
func newServer(t *testing.T, cfg deribittest.Config) *deribittest.Server {
	t.Helper()
	return exchangetest.New(t, cfg)
}

// newMemoryServer starts it on a network in memory, for a synctest bubble, and returns how to get there.
func newMemoryServer(t *testing.T, cfg deribittest.Config) (*deribittest.Server, session.Config) {
	t.Helper()
	listener := deribittest.NewMemoryListener()
	cfg.Listener = listener
	server := newServer(t, cfg)
	client := on(server, server.AddKey(deribittest.KeyConfig{}))
	client.NetDial = listener.DialContext
	return server, client
}

// on is the Config of a session with a server.
func on(server *deribittest.Server, key deribittest.Key) session.Config {
	return session.Config{
		URL: server.URL(), Credentials: credentials(key, 1), NewBackoff: quickly, Logger: exchangetest.Logger(io.Discard),
	}
}

func credentials(key deribittest.Key, generation uint64) session.Credentials {
	return session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret)), Generation: generation}
}

// recorder is an Observer that writes down what it is told.
type recorder struct {
	mu     sync.Mutex // protects the fields below
	lines  []string
	open   map[string]int // steps under way
	edges  []edge
	resent int
	gaps   []*session.GapError
	opened int
	ended  int
}

type edge struct{ from, to session.State }

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// Opened implements session.Observer.
func (r *recorder) Opened(*session.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened++
}

// Ended implements session.Observer.
func (r *recorder) Ended(*session.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended++
}

// Calls implements session.Observer.
func (r *recorder) Calls(context.Context, session.Step) rpc.Observer { return nil }

// StepStart implements session.Observer.
func (r *recorder) StepStart(ctx context.Context, step session.Step) (context.Context, func(session.StepEnd)) {
	id := fmt.Sprintf("%s %d", step.Kind, step.Epoch)
	parent, _ := ctx.Value(stepKey{}).(string)
	r.note("%s/%s", parent, step.Kind)
	r.mu.Lock()
	if r.open == nil {
		r.open = map[string]int{}
	}
	r.open[id]++
	r.mu.Unlock()
	return context.WithValue(ctx, stepKey{}, parent+"/"+string(step.Kind)), func(end session.StepEnd) {
		outcome := "ok"
		if end.Err != nil {
			outcome = "failed"
		}
		r.note("end %s %s", step.Kind, outcome)
		r.mu.Lock()
		r.open[id]--
		r.mu.Unlock()
	}
}

type stepKey struct{}

// StateChanged implements session.Observer.
func (r *recorder) StateChanged(_ *session.Session, from, to session.State, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.edges = append(r.edges, edge{from, to})
}

// Gap implements session.Observer.
func (r *recorder) Gap(_ *session.Session, gap *session.GapError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps = append(r.gaps, gap)
}

// Resent implements session.Observer.
func (r *recorder) Resent(*session.Session, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resent++
}

func (r *recorder) steps() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

// states are the states from the first to the last.
func (r *recorder) states() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, e := range r.edges {
		names = append(names, e.to.String())
	}
	return strings.Join(names, " ")
}

// check fails the test if a step was not ended exactly once, or a state was left along an edge that is not documented.
func (r *recorder) check(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, open := range r.open {
		if open != 0 {
			t.Errorf("step %s was ended %d times too few", id, open)
		}
	}
	for i, e := range r.edges {
		if !documented[e] {
			t.Errorf("%v to %v is no documented edge", e.from, e.to)
		}
		if i > 0 && r.edges[i-1].to != e.from {
			t.Errorf("%v to %v follows %v to %v", e.from, e.to, r.edges[i-1].from, r.edges[i-1].to)
		}
	}
	if r.opened != 1 || r.ended != 1 {
		t.Errorf("opened %d times, ended %d times", r.opened, r.ended)
	}
}

// documented is the transition table of the type State. A session begins in Connecting, which its first connection enters
// once more.
var documented = map[edge]bool{
	{session.Connecting, session.Connecting}:     true,
	{session.Connecting, session.Authenticating}: true,
	{session.Authenticating, session.Resuming}:   true,
	{session.Resuming, session.Ready}:            true,
	{session.Connecting, session.Backoff}:        true,
	{session.Authenticating, session.Backoff}:    true,
	{session.Resuming, session.Backoff}:          true,
	{session.Ready, session.Backoff}:             true,
	{session.Backoff, session.Connecting}:        true,
	{session.Ready, session.Ready}:               true, // a planned reconnect
	{session.Ready, session.Maintenance}:         true,
	{session.Maintenance, session.Ready}:         true,
	{session.Maintenance, session.Backoff}:       true,
	{session.Maintenance, session.Closed}:        true,
	{session.Connecting, session.Closed}:         true,
	{session.Authenticating, session.Closed}:     true,
	{session.Resuming, session.Closed}:           true,
	{session.Ready, session.Closed}:              true,
	{session.Backoff, session.Closed}:            true,
}

// receive takes the next entry of a stream, which must come.
func receive(t *testing.T, sub *session.Subscription) (session.Notification, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for n, err := range sub.Notifications(ctx) {
		n.Data = slices.Clone(n.Data)
		return n, err
	}
	return session.Notification{}, sub.Err()
}

// until waits for a condition that nothing announces.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	for !met() {
		tick := time.NewTimer(time.Millisecond)
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// quiet is a logger for servers that log what the test provokes.
func quiet(t *testing.T) *log.Logger {
	t.Helper()
	return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
}
