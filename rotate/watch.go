package rotate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/holdfast-ws/holdfast/session"
)

// Follower keeps the sessions of a process in step with a store in which other processes rotate. It is the credential source of
// these sessions: before each authentication it looks into the store, so that a connection that is lost in the middle of
// another's rotation comes back with the new secret. And while Run runs it has the sessions that are connected take each new
// generation as it appears. It never rotates. A Follower is safe for concurrent use.
type Follower struct {
	// shell has the configuration and the steps that following shares with rotating; it never flies.
	shell Rotator
	// loads has those who authenticate at the same time share a Load: one for each would make the last of them wait too long.
	loads singleflight.Group
	// refused is a generation that the exchange has refused and that may be the newest one, for what others know cannot be read or is
	// not known yet; 0 for none. It is not tried again meanwhile.
	refused atomic.Uint64
	// followed is the generation that the sessions were last brought to; of Run.
	followed uint64
}

var _ session.NewerSource = (*Follower)(nil)

// NewFollower returns a Follower. Of the Config it uses Keyring and Store, which are needed, Sessions, Logger, WaveSize, Stagger,
// SessionTimeout, StoreTimeout and LeaseTTL. Its error matches [ErrConfig].
func NewFollower(cfg Config) (*Follower, error) {
	switch {
	case cfg.Keyring == nil:
		return nil, fmt.Errorf("%w: Keyring: is nil: make one with NewKeyring", ErrConfig)
	case cfg.Store == nil:
		return nil, fmt.Errorf("%w: Store: is nil: open one with filestore.Open", ErrConfig)
	}
	cfg = cfg.withDefaults()
	return &Follower{
		shell:    Rotator{cfg: cfg, journal: newJournal(cfg.Store, cfg.StoreTimeout)},
		followed: cfg.Keyring.Current().Generation,
	}, nil
}

// Credentials returns the newest credentials that the store and the keyring have. While a rotation is under way it waits for
// the end of that, of its lease, or of ctx; then it returns ctx's error. A store that cannot be read is logged, and what
// the keyring has is returned, unless that was refused: see [Follower.Newer].
func (f *Follower) Credentials(ctx context.Context) (session.Credentials, error) {
	if _, err := f.await(ctx, 0); err != nil {
		return session.Credentials{}, err
	}
	return f.shell.cfg.Keyring.Credentials(ctx)
}

// errSettled is the end of a rotation that leaves the secret as it was.
var errSettled = errors.New("rotate: follow: what may have ended the secret that was refused is over, and there is no newer one: it is tried once more")

// Newer is Credentials for who was refused a generation. Unless there is a later one it also waits while an intent stands, whoever has
// the lease: the current secret may be dead, and who rotates or recovers will say so. Where the store cannot be read, or the intent was
// cleared and there is no later generation, it returns an error after which a session connects again and asks once more: nothing that
// passes ends a session.
func (f *Follower) Newer(ctx context.Context, refused uint64) (session.Credentials, error) {
	if refused >= f.generation() {
		f.refused.Store(refused)
	}
	waited, err := f.await(ctx, refused)
	switch {
	case err != nil:
		return session.Credentials{}, err
	case waited && f.generation() <= refused:
		return session.Credentials{}, errSettled
	}
	return f.shell.cfg.Keyring.Newer(ctx, refused)
}

func (f *Follower) generation() uint64 { return f.shell.cfg.Keyring.Current().Generation }

// isRefused reports whether the newest generation may be one that was refused: to who asks, 0 for none, or to another session.
func (f *Follower) isRefused(refused uint64) bool {
	return f.generation() <= max(refused, f.refused.Load())
}

// await catches up, if the store can be read or the keyring's secret will do.
func (f *Follower) await(ctx context.Context, refused uint64) (waited bool, err error) {
	waited, err = f.catchUp(ctx, &refused)
	switch {
	case ctx.Err() != nil:
		return waited, fmt.Errorf("rotate: follow: waiting for a rotation: %w", ctx.Err())
	case err != nil && f.isRefused(refused):
		return waited, fmt.Errorf("rotate: follow: generation %d was refused, and whether there is a newer one is not known: %w", f.generation(), err)
	case err != nil:
		f.shell.warn(ctx, "following rotations: the keyring's secret is used", err)
	}
	return waited, nil
}

// followInterval is between two looks at a rotation that an authentication waits for.
const followInterval = 100 * time.Millisecond

// catchUp takes what the store has, once authentications need not wait for more. Where no intent stands it forgets what was refused.
func (f *Follower) catchUp(ctx context.Context, refused *uint64) (waited bool, err error) {
	for {
		record, err := f.load(ctx)
		if errors.Is(err, ErrNotFound) { // nobody has rotated yet
			f.refused.Store(0)
			return waited, nil
		}
		if err != nil {
			return waited, err
		}
		if record.Intent == nil {
			*refused = 0
		}
		if err := f.take(record); err != nil {
			return waited, err
		}
		if !record.underWay(time.Now(), f.shell.cfg.LeaseTTL) && (record.Intent == nil || !f.isRefused(*refused)) {
			return waited, nil
		}
		waited = true
		if err := pause(ctx, nil, followInterval); err != nil {
			return waited, err
		}
	}
}

// load returns a record that was asked for no earlier than now: what a Load under way will say may be of before a rotation, or a refusal.
// The end of a caller's ctx ends no Load that others wait for too.
func (f *Follower) load(ctx context.Context) (Record, error) {
	for late := false; ; late = true {
		began := false
		answer := f.loads.DoChan("", func() (any, error) {
			began = true
			return f.shell.journal.load(context.WithoutCancel(ctx))
		})
		select {
		case a := <-answer:
			if began || late { // the one that was under way has ended, so this one is later
				record, _ := a.Val.(Record)
				return record, a.Err
			}
		case <-ctx.Done():
			return Record{}, ctx.Err()
		}
	}
}

// underWay reports whether the current secret may be dead while somebody is at work who will say so.
func (r Record) underWay(now time.Time, ttl time.Duration) bool {
	return r.Intent != nil && !r.Intent.Settling && r.Lease.isHeld(now, ttl)
}

// take publishes what is newer than the keyring's. Where no intent stands, a refusal is not made good by waiting.
func (f *Follower) take(record Record) error {
	if record.Intent == nil {
		f.refused.Store(0)
	}
	if err := f.shell.fits(record); err != nil {
		return err
	}
	return f.shell.adopt(record)
}

// Run has the sessions take each new generation until ctx ends, and their private channels asked for again, and returns ctx's
// error, at the latest when the Watch of a store that hangs does. What goes wrong is logged: an error of the store, a record that
// is not of the keyring's key, a session that does not re-authenticate, which is tried again when the record changes next and
// authenticates with the new secret in any case when it has to.
func (f *Follower) Run(ctx context.Context) error {
	for record, err := range f.shell.cfg.Store.Watch(ctx) {
		if err == nil {
			err = f.follow(ctx, record)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, ErrNotFound) {
			f.shell.warn(ctx, "following rotations", err)
		}
	}
	return ctx.Err()
}

func (f *Follower) follow(ctx context.Context, record Record) error {
	if err := f.take(record); err != nil {
		return err
	}
	if record.underWay(time.Now(), f.shell.cfg.LeaseTTL) {
		return nil // the sessions would wait for its end, which is a change of the record too
	}
	r := rotation{Rotator: &f.shell, secret: record.Current}
	behind := f.behind(record.Current.Generation)
	if len(behind) == 0 {
		return nil
	}
	errs := make([]error, len(behind))
	var group errgroup.Group
	group.SetLimit(f.shell.cfg.WaveSize)
	for i, s := range behind {
		r.stagger(ctx, s)
		group.Go(func() error {
			errs[i] = r.bring(ctx, s)
			if errs[i] == nil {
				_, errs[i] = r.compare(ctx, member{Session: s})
			}
			return errs[i]
		})
	}
	if group.Wait() != nil {
		return errors.Join(errs...)
	}
	f.followed = record.Current.Generation
	f.shell.cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "rotation followed",
		slog.Uint64("generation", record.Current.Generation), slog.Int("sessions", len(behind)))
	return nil
}

// behind are the sessions that have not taken a generation, and those that did so by themselves since the last one: what became of their
// channels nobody has asked yet.
func (f *Follower) behind(generation uint64) (all []Session) {
	for _, s := range f.shell.cfg.Sessions() {
		if s.Generation() < generation || f.followed < generation {
			all = append(all, s)
		}
	}
	return all
}
