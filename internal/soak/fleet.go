package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// fleet is sessions that share a key, and what turns it. Another key's session is the authority.
type fleet struct {
	exchange *exchange
	dir      string // of the store
	keyring  *rotate.Keyring
	sessions []*session.Session
	admin    *session.Session
	rotator  *rotate.Rotator
}

type fleetConfig struct {
	sessions int
	dir      string                          // in which the store's directory is made, empty for the system's
	admin    rpc.Dialer                      // of the authority, nil for that of all
	observer rotate.Observer                 // of the rotator
	stagger  time.Duration                   // as in rotate.Config
	store    func(rotate.Store) rotate.Store // goes around the store, nil for none
}

// openFleet opens all of it. What is opened is closed by close, also after an error.
func openFleet(ctx context.Context, x *exchange, cfg fleetConfig) (f *fleet, err error) {
	f = &fleet{exchange: x, keyring: rotate.NewKeyring(x.engine())}
	if f.dir, err = os.MkdirTemp(cfg.dir, "holdfast-soak-"); err != nil {
		return f, err
	}
	opened, err := filestore.Open(filepath.Join(f.dir, "key"))
	if err != nil {
		return f, err
	}
	store := rotate.Store(opened)
	if cfg.store != nil {
		store = cfg.store(store)
	}
	admin := x.config("admin", session.Credentials{ClientID: x.Admin.ClientID, Secret: session.NewSecret([]byte(x.Admin.Secret))})
	if cfg.admin != nil {
		admin.Dialer = cfg.admin
	}
	if f.admin, err = session.Dial(ctx, admin); err != nil {
		return f, err
	}
	for i := range cfg.sessions {
		one, err := session.Dial(ctx, x.config(fmt.Sprintf("session-%d", i+1), f.keyring))
		if err != nil {
			return f, err
		}
		f.sessions = append(f.sessions, one)
	}
	f.rotator, err = rotate.New(rotate.Config{
		Keyring: f.keyring, Store: store, Sessions: rotate.Fleet(f.sessions...), Authority: f.admin, KeyID: x.Engine.ID,
		Throwaway: x.config("throwaway", nil), Observer: cfg.observer, Stagger: cfg.stagger,
	})
	return f, err
}

// rotate turns the key once. Anything but a rotation of every session is an error.
func (f *fleet) rotate(ctx context.Context) error {
	before := f.keyring.Current().Generation
	report, err := f.rotator.Rotate(ctx)
	switch {
	case err != nil:
		return err
	case report.Outcome != rotate.Rotated || len(report.Sessions) != len(f.sessions):
		return fmt.Errorf("soak: not every session was rotated: %v", report)
	case f.keyring.Current().Generation != before+1:
		return fmt.Errorf("soak: generation %d after a rotation of %d", f.keyring.Current().Generation, before)
	}
	for _, one := range f.sessions {
		if err := one.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// reconnects is how often sessions had to connect again.
func (f *fleet) reconnects() (n uint64) {
	for _, one := range f.sessions {
		n += one.Stats().Epoch - 1
	}
	return n
}

// close closes what is open. It takes its own time: the run's ctx may have ended.
func (f *fleet) close(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if f.rotator != nil {
		err = f.rotator.Close(ctx)
	}
	for _, one := range append(f.sessions, f.admin) {
		if one != nil {
			err = errors.Join(err, one.Close(ctx))
		}
	}
	if f.dir != "" {
		err = errors.Join(err, os.RemoveAll(f.dir))
	}
	return err
}
