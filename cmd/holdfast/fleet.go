package main

import (
	"context"
	"errors"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// fleet is the sessions that a rotation needs: one of the key, and one of the second key, if there is one.
type fleet struct {
	*rotation
	keyring    *rotate.Keyring
	copying    *copyist
	own, admin *keeper
}

// sessions are those to re-authenticate.
func (f *fleet) sessions() []rotate.Session {
	if f.own == nil {
		return nil // not yet: what is recovered comes first
	}
	return []rotate.Session{f.own}
}

// dialOwn opens the key's session, unless it is open.
func (f *fleet) dialOwn(ctx context.Context) (err error) {
	if f.own == nil {
		f.own, err = f.dial(ctx, f.keyring)
	}
	return err
}

func (f *fleet) dialAdmin(ctx context.Context) (*keeper, error) {
	secret, err := readSecretFile(f.adminSecretFile)
	if err != nil {
		return nil, err
	}
	f.admin, err = f.dial(ctx, session.Credentials{ClientID: f.adminID, Secret: secret})
	return f.admin, err
}

func (f *fleet) dial(ctx context.Context, source session.CredentialSource) (*keeper, error) {
	cfg := f.config()
	cfg.Credentials = source
	s, err := session.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &keeper{s, f.copying}, nil
}

func (f *fleet) close(ctx context.Context) error {
	var errs []error
	for _, s := range []*keeper{f.own, f.admin} {
		if s != nil {
			errs = append(errs, s.Close(ctx))
		}
	}
	return errors.Join(errs...)
}

// keeper is a session that removes no key while the key's file does not have the one that takes its place: whoever reads the file goes
// on with the old one, and the next run writes it.
type keeper struct {
	*session.Session
	copying *copyist
}

// CallRaw refuses to remove a key that is still needed.
func (k *keeper) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	if method == "private/remove_api_key" {
		if err := k.copying.err; err != nil {
			return dst, &rpc.CallError{Method: method, Outcome: rpc.NotSent, Err: err}
		}
	}
	return k.Session.CallRaw(ctx, method, params, dst)
}
