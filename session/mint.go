package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Mint authenticates with creds on a connection of its own and returns the refresh token of what the exchange calls a session:
// cfg.Scope must name one ("session:rescue account:read_write expires:3600"). Unlike a connection's tokens it does not end with the
// connection, which is closed. Errors are as for [TryCredentials].
//
// Whether such a token outlives a reset of the key's secret is not documented.
func Mint(ctx context.Context, cfg Config, creds Credentials) (Secret, error) {
	if err := creds.validate(); err != nil {
		return Secret{}, err
	}
	s, err := dialBare(ctx, cfg)
	if err != nil {
		return Secret{}, err
	}
	token, err := s.mintWith(ctx, creds)
	if isRefusal(err) {
		err = &AuthError{ClientID: creds.ClientID, Generation: creds.Generation, Err: err}
	}
	return token, errors.Join(err, s.Close(ctx))
}

// Redeem opens a connection and authenticates it with a refresh token, which is dead then; the one that takes its place is returned.
// The Session does not authenticate again: once it has lost its connection, it can make public calls only. The caller closes it.
// A token that the exchange refuses is an [*AuthError].
func Redeem(ctx context.Context, cfg Config, token Secret) (*Session, Secret, error) {
	s, err := dialBare(ctx, cfg)
	if err != nil {
		return nil, Secret{}, err
	}
	next, err := s.mint(ctx, refreshParams{token})
	if err != nil {
		// How a dead token is refused is not documented: whatever the exchange says of it is a refusal.
		if refusal, ok := errors.AsType[*rpc.Error](err); ok && refusal.Code != CodeTooManyRequests {
			err = &AuthError{Err: err, Hint: "the token has ended, or a reset has revoked it"}
		}
		return nil, Secret{}, errors.Join(err, s.Close(ctx))
	}
	return s, next, nil
}

// mintWith authenticates the connection with creds and returns the refresh token.
func (s *Session) mintWith(ctx context.Context, creds Credentials) (Secret, error) {
	params, err := s.authParams(ctx, creds, askedScope(s.cfg.Scope))
	if err != nil {
		return Secret{}, err
	}
	return s.mint(ctx, params)
}

// dialBare opens a session that does not authenticate by itself.
func dialBare(ctx context.Context, cfg Config) (*Session, error) {
	cfg.Credentials, cfg.Heartbeat, cfg.CancelOnDisconnect = nil, -1, false
	return Dial(ctx, cfg)
}

// mint authenticates the connection and returns the refresh token.
func (s *Session) mint(ctx context.Context, params any) (Secret, error) {
	var got struct {
		RefreshToken Secret `json:"refresh_token"`
	}
	if err := s.Call(ctx, methodAuth, params, &got); err != nil {
		return Secret{}, err
	}
	if got.RefreshToken.IsZero() {
		return Secret{}, fmt.Errorf("session: %s: the answer has no refresh token", methodAuth)
	}
	return got.RefreshToken, nil
}

// refreshParams authenticate with a refresh token, which they encode straight into the frame.
type refreshParams struct{ token Secret }

// AppendJSON implements rpc.Appender.
func (p refreshParams) AppendJSON(dst []byte) ([]byte, error) {
	token := p.token.Reveal()
	defer clear(token)
	dst = append(dst, `{"grant_type":"refresh_token","refresh_token":`...)
	return append(appendString(dst, token), '}'), nil
}
