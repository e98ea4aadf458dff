package rotate

import (
	"context"
	"errors"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// outside is what a rotation does on connections of its own.
type outside interface {
	// reach opens one.
	reach(ctx context.Context) error
	// try authenticates.
	try(ctx context.Context, creds session.Credentials) error
	// mint returns a refresh token of the scope.
	mint(ctx context.Context, creds session.Credentials, scope string) (session.Secret, error)
	// redeem authenticates with a refresh token, which it replaces.
	redeem(ctx context.Context, token session.Secret) (closer, session.Secret, error)
	// drop ends a refresh token.
	drop(ctx context.Context, token session.Secret) error
}

// closer is an authority whose connection is the caller's to close.
type closer interface {
	Authority
	Close(ctx context.Context) error
}

// throwaway is the outside of Config.Throwaway.
type throwaway session.Config

func (t throwaway) reach(ctx context.Context) error {
	cfg := session.Config(t)
	cfg.Credentials, cfg.Heartbeat, cfg.CancelOnDisconnect = nil, -1, false
	s, err := session.Dial(ctx, cfg)
	if err != nil {
		return err
	}
	return s.Close(ctx)
}

func (t throwaway) try(ctx context.Context, creds session.Credentials) error {
	cfg := session.Config(t)
	cfg.Scope = "" // the secret is in question, not what it may do
	return session.TryCredentials(ctx, cfg, creds)
}

func (t throwaway) mint(ctx context.Context, creds session.Credentials, scope string) (session.Secret, error) {
	cfg := session.Config(t)
	cfg.Scope = scope
	return session.Mint(ctx, cfg, creds)
}

func (t throwaway) redeem(ctx context.Context, token session.Secret) (closer, session.Secret, error) {
	s, next, err := session.Redeem(ctx, session.Config(t), token)
	if err != nil {
		return nil, session.Secret{}, err
	}
	return s, next, nil
}

// drop logs out. The exchange answers that by closing the connection.
func (t throwaway) drop(ctx context.Context, token session.Secret) error {
	s, _, err := session.Redeem(ctx, session.Config(t), token)
	if err != nil {
		return err
	}
	err = s.Call(ctx, methodLogout, map[string]bool{"invalidate_token": true}, nil)
	if ended, ok := errors.AsType[*rpc.CallError](err); ok && ended.Outcome == rpc.Unknown && ctx.Err() == nil {
		err = nil
	}
	return errors.Join(err, s.Close(ctx))
}
