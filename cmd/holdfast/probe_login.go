package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// loginsSeen is what was seen of authentications. Codes are 0 where the exchange did not refuse.
type loginsSeen struct {
	// An old secret, by how it was proved.
	OldBySignature  rpc.Code `json:"old_secret_client_signature"`
	OldByCredential rpc.Code `json:"old_secret_client_credentials"`
	DeadToken       rpc.Code `json:"dead_token"` // an access token that a refresh has replaced
	// A second login on an authenticated connection.
	Again        rpc.Code `json:"second_login"`
	AgainDropped bool     `json:"second_login_drops_subscriptions"`
	// A private call after a failed login, on a connection that was authenticated.
	FailedPrivate rpc.Code `json:"private_call_after_failed_login"`
	FailedClosed  bool     `json:"failed_login_closes"`
}

// observeLogins looks at authentications, once there is an old secret.
func (p *probe) observeLogins(ctx context.Context) (seen loginsSeen, err error) {
	cfg, old := p.config(), session.Credentials{ClientID: p.creds.ClientID, Secret: p.old}
	seen.OldBySignature, err = refusal(session.TryCredentials(ctx, cfg, old))
	if err == nil {
		cfg.Grant = session.GrantCredentials
		seen.OldByCredential, err = refusal(session.TryCredentials(ctx, cfg, old))
	}
	if err != nil {
		return seen, fmt.Errorf("login with the old secret: %w", err)
	}
	for _, observe := range []func(context.Context, *wire, *loginsSeen) error{p.observeDeadToken, p.observeAgain, p.observeFailed} {
		w, err := p.login(ctx, "")
		if err != nil {
			return seen, err
		}
		err = observe(ctx, w, &seen)
		_ = w.Close() // the exchange may have closed it
		if err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// observeDeadToken refreshes a connection's token, which is documented to end the old one.
func (p *probe) observeDeadToken(ctx context.Context, w *wire, seen *loginsSeen) error {
	old := w.access
	code, err := w.authenticate(ctx, map[string]string{"grant_type": "refresh_token", "refresh_token": string(w.refresh.Reveal())})
	if err != nil || code != 0 {
		return errors.Join(fmt.Errorf("refresh: code %d", code), err)
	}
	seen.DeadToken, err = w.privateWith(ctx, old)
	return err
}

// observeAgain logs in a second time on a connection that is subscribed.
func (p *probe) observeAgain(ctx context.Context, w *wire, seen *loginsSeen) error {
	err := w.subscribe(ctx, p.ordersChannel())
	if err != nil {
		return err
	}
	if seen.Again, err = w.authenticate(ctx, byKey(p.creds, p.creds.Secret, "")); err != nil || seen.Again != 0 {
		return err
	}
	told, err := p.provoke(ctx)
	seen.AgainDropped = err == nil && !w.await(ctx, p.wait, told)
	return err
}

// observeFailed logs in with the old secret on a connection that the present one has authenticated.
func (p *probe) observeFailed(ctx context.Context, w *wire, seen *loginsSeen) error {
	code, err := w.authenticate(ctx, byKey(p.creds, p.old, ""))
	if err == nil && code == 0 {
		return errors.New("the exchange takes the old secret")
	}
	if err == nil {
		seen.FailedPrivate, err = w.private(ctx)
	}
	if err != nil && w.closed() {
		seen.FailedClosed = true
		return nil
	}
	return err
}
