package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// GroupConfig configures a Group.
type GroupConfig struct {
	// Config is that of each session, but for the Name: that of the group is followed by the session's number, as in "md-1". A
	// named session in its Scope is numbered too, for the exchange ends what had a name before ("session:md" becomes
	// "session:md-1"). All share one Limits, and without one the credits for subscribing.
	Config
	// Sessions is how many sessions there are; 0 means 2. The exchange has 32 connections for an address and 16 named sessions
	// for a key, which Holdfast takes from its documents; more in one group are refused with ErrConfig. Nobody counts those of
	// other groups, sessions and programs: a connection too many is refused with HTTP status 429, and a named session too many
	// ends another one's authority ([Stats].AuthorityLost). Leave a connection free: [Session.Reconnect] and a rotation open one
	// beside those that there are.
	Sessions int
	// Copies is over how many sessions each channel comes: 0 and 1 spread the channels over the sessions; with 2 the sessions
	// are redundant pairs, and Sessions must be even. Losing either connection of a pair loses nothing; if the other one is lost less
	// than some 500 ms after this one is back, what is under way may be, and a gap says so. So it does where a connection lives and a
	// channel is dead on it without a word, once the other one brings what it does not.
	Copies int
}

// What the exchange allows, by its documents.
const (
	maxConnections   = 32 // of one address
	maxNamedSessions = 16 // of one key
)

// dialsAtOnce is how many sessions of a group are opened at a time.
const dialsAtOnce = 4

// ungrouped numbers the groups that were given no name.
var ungrouped atomic.Uint64

func (c GroupConfig) withDefaults() GroupConfig {
	if c.Sessions == 0 {
		c.Sessions = 2
	}
	if c.Copies == 0 {
		c.Copies = 1
	}
	if c.Name == "" {
		c.Name = fmt.Sprintf("group-%d", ungrouped.Add(1))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c GroupConfig) validate() error {
	switch {
	case c.Sessions < 1:
		return fmt.Errorf("%w: Sessions: must not be negative", ErrConfig)
	case c.Sessions > maxConnections:
		return fmt.Errorf("%w: Sessions: %d: the exchange takes %d connections of one address", ErrConfig, c.Sessions, maxConnections)
	case c.Sessions > maxNamedSessions && hasNamedSession(c.Scope):
		return fmt.Errorf("%w: Sessions: %d: the exchange takes %d named sessions of one key: use the scope connection, or fewer sessions",
			ErrConfig, c.Sessions, maxNamedSessions)
	case c.Copies < 1 || c.Copies > 2:
		return fmt.Errorf("%w: Copies: %d is neither 1 nor 2", ErrConfig, c.Copies)
	case c.Sessions%c.Copies != 0:
		return fmt.Errorf("%w: Sessions: %d sessions are no pairs", ErrConfig, c.Sessions)
	}
	return c.Config.validate()
}

// member is the Config of the session of that number, counted from 1.
func (c GroupConfig) member(number int) Config {
	cfg := c.Config
	cfg.Name = fmt.Sprintf("%s-%d", c.Name, number)
	words := strings.Fields(cfg.Scope)
	for i, word := range words {
		if strings.HasPrefix(word, "session:") {
			words[i] = fmt.Sprintf("%s-%d", word, number)
		}
	}
	cfg.Scope = strings.Join(words, " ")
	return cfg
}

// Group is several sessions of one account behind one Caller and one Subscribe. It is safe for concurrent use.
//
// Orders go over its first session, and so does whatever else is no read: their order on the wire holds, and if they are cancelled
// on disconnect it is by the loss of that one. Reads are spread over the sessions that are ready. Channels are
// spread over all, each on one session (Copies 1), or come over two (Copies 2): the stream then is one, in wire order and
// without repetitions, and losing either connection loses nothing.
type Group struct {
	cfg      GroupConfig
	sessions []*Session
	teams    []*team
	subs     *registry

	//nolint:containedctx // the group's own life, not a call's
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup // every goroutine of the group but the one that joins them
	done    chan struct{}  // closed when all has ended
	broken  chan struct{}  // a book may be owed a snapshot
	closing atomic.Bool

	// arranging is held by who changes strands: what comes over which session. That waits for nothing but other locks.
	arranging chan struct{}
	strands   map[string]*strand

	mu      sync.Mutex    // protects the fields below
	changed chan struct{} // closed and replaced when a session has changed its state
	err     error         // why the first session to end has ended
	over    bool          // no goroutine begins any more
}

// DialGroup opens a group and returns when all its sessions are ready. ctx bounds DialGroup alone. If one session cannot be
// opened none is kept, and the error is that of [Dial], with the session's name.
func DialGroup(ctx context.Context, cfg GroupConfig) (*Group, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	sessions := make([]*Session, cfg.Sessions)
	shared := newPools()
	dialing, dialCtx := errgroup.WithContext(ctx)
	dialing.SetLimit(dialsAtOnce)
	for i := range sessions {
		dialing.Go(func() (err error) {
			if err := dialCtx.Err(); err != nil {
				return err
			}
			member := cfg.member(i + 1)
			labelled(dialCtx, labelSession, member.Name, func(ctx context.Context) {
				sessions[i], err = dial(ctx, member, shared)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", member.Name, err)
			}
			return nil
		})
	}
	if err := dialing.Wait(); err != nil {
		sessions = slices.DeleteFunc(sessions, func(s *Session) bool { return s == nil })
		return nil, errors.Join(err, closeAll(ctx, sessions))
	}
	return newGroup(ctx, cfg, sessions), nil
}

func newGroup(ctx context.Context, cfg GroupConfig, sessions []*Session) *Group {
	g := &Group{
		cfg: cfg, sessions: sessions,
		done: make(chan struct{}), broken: make(chan struct{}, 1), changed: make(chan struct{}),
		arranging: make(chan struct{}, 1), strands: map[string]*strand{},
	}
	g.subs = newRegistry(g.mend)
	g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for legs := range slices.Chunk(sessions, cfg.Copies) {
		g.teams = append(g.teams, newTeam(g, legs))
	}
	for _, s := range sessions {
		g.start(func(ctx context.Context) { g.watch(ctx, s) })
	}
	for _, t := range g.teams {
		g.start(t.tend)
		if t.isPair() {
			for at := range t.legs {
				g.start(func(ctx context.Context) { t.equip(ctx, at) })
			}
		}
	}
	g.start(g.mendBooks)
	go g.labelled(g.ctx, func(context.Context) { g.join() }) // joined through done
	return g
}

// Sessions are the sessions of the group, in the order of their numbers; the caller owns the slice. They are for Stats, and for a
// rotation (rotate.Fleet); what is subscribed on one is that one's alone.
func (g *Group) Sessions() []*Session { return slices.Clone(g.sessions) }

// Name is Config.Name, or the name that DialGroup gave.
func (g *Group) Name() string { return g.cfg.Name }

// Ready reports whether all is served: each channel by one session at least that is ready, as [Session.Ready] says, and orders if the
// group has Credentials.
func (g *Group) Ready() bool {
	if g.cfg.Credentials != nil && !g.sessions[0].Ready() {
		return false
	}
	return !slices.ContainsFunc(g.teams, func(t *team) bool { return !slices.ContainsFunc(t.legs, (*Session).Ready) })
}

// WaitReady waits until the group is ready. It returns ctx's error, or why it cannot be any more.
func (g *Group) WaitReady(ctx context.Context) error {
	for {
		g.mu.Lock()
		changed := g.changed
		g.mu.Unlock()
		if g.Ready() {
			return nil
		}
		if err := g.hopeless(); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hopeless is why the group will not be ready any more, nil if it may be.
func (g *Group) hopeless() error {
	if g.cfg.Credentials != nil && g.sessions[0].isEnding() || slices.ContainsFunc(g.teams, (*team).isLost) {
		return g.Err()
	}
	return nil
}

// Done is closed when all sessions have ended and nothing of the group is left.
func (g *Group) Done() <-chan struct{} { return g.done }

// Err is nil while all sessions live. Once one has ended for good it says which and why, while the others go on; after
// [Group.Close] of a whole group it is [ErrClosed].
func (g *Group) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// Close closes all sessions, as [Session.Close] does, and ends every subscription with [ErrClosed]. It returns when nothing of the
// group is left, or, when ctx ends before that, with its error.
func (g *Group) Close(ctx context.Context) error {
	g.closing.Store(true)
	g.note(ErrClosed)
	err := closeAll(ctx, g.sessions)
	<-g.done
	return err
}

func closeAll(ctx context.Context, sessions []*Session) error {
	errs := make([]error, len(sessions))
	var closing sync.WaitGroup
	for i, s := range sessions {
		closing.Go(func() { s.labelled(ctx, func(ctx context.Context) { errs[i] = s.Close(ctx) }) })
	}
	closing.Wait()
	return errors.Join(errs...)
}

// watch tells of the changes of a session's state until it has ended.
func (g *Group) watch(ctx context.Context, s *Session) {
	for change := range s.States(context.WithoutCancel(ctx)) { // it ends with the session
		if change.State == Closed {
			g.note(fmt.Errorf("session: %s: %w", s.Name(), change.Err))
			continue
		}
		g.note(nil)
		for _, t := range g.teams {
			if slices.Contains(t.legs, s) {
				t.wake()
			}
		}
	}
}

// note tells who waits that something has changed, and why a session has ended if it has.
func (g *Group) note(ended error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = ended
	}
	close(g.changed)
	g.changed = make(chan struct{})
}

// join waits until all sessions have ended, and ends what is left of the group.
func (g *Group) join() {
	for _, s := range g.sessions {
		<-s.done
	}
	why := g.sessions[0].Err()
	if g.closing.Load() {
		why = ErrClosed
	}
	g.subs.end(why) // only now: nothing comes of any session any more
	g.mu.Lock()
	g.over = true
	g.mu.Unlock()
	g.cancel()
	g.work.Wait()
	close(g.done)
}

// later implements host.
func (g *Group) later(f func(ctx context.Context)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return false
	}
	g.start(f)
	return true
}

func (g *Group) log(level slog.Level, msg string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("group", g.cfg.Name))
	g.cfg.Logger.LogAttrs(g.ctx, level, msg, attrs...)
}

func (g *Group) observeGap(gap *GapError) { g.sessions[0].observeGap(gap) }
