package rotate_test

import (
	"context"
	"fmt"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// The world's tokens that outlive connections: one at a time.

func (p *process) mint(ctx context.Context, creds session.Credentials, _ string) (session.Secret, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.step(ctx); err != nil {
		return session.Secret{}, err
	}
	if err := p.authenticate(creds); err != nil {
		return session.Secret{}, err
	}
	return p.nextRescue(), nil
}

func (w *world) nextRescue() session.Secret {
	w.rescues++
	w.rescue = fmt.Sprintf("CANARY-rescue-%d-%d", w.epoch, w.rescues)
	return session.NewSecret([]byte(w.rescue))
}

func (w *world) isRescue(token session.Secret) bool {
	alive := fmt.Sprintf("CANARY-rescue-%d-%d", w.epoch, w.rescues)
	return w.rescue == alive && token.Equal(session.NewSecret([]byte(w.rescue)))
}

func (p *process) redeem(ctx context.Context, token session.Secret) (rotate.Closer, session.Secret, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.step(ctx); err != nil {
		return nil, session.Secret{}, err
	}
	if !p.isRescue(token) {
		return nil, session.Secret{}, &session.AuthError{Err: refusal(session.CodeUnauthorized, "invalid_token")}
	}
	connection := &fakeSession{process: p, name: "rescue", token: p.epoch}
	return rescueConnection{connection}, p.nextRescue(), nil
}

func (p *process) drop(ctx context.Context, token session.Secret) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.step(ctx); err != nil {
		return err
	}
	if !p.isRescue(token) {
		return &session.AuthError{Err: refusal(session.CodeUnauthorized, "invalid_token")}
	}
	p.rescue = ""
	return nil
}

type rescueConnection struct{ *fakeSession }

func (rescueConnection) Close(context.Context) error { return nil }

// secondKey is an authority that lives on whatever a reset does.
type secondKey struct{ *fakeSession }

func newSecondKey(p *process) *secondKey {
	return &secondKey{&fakeSession{process: p, name: "admin", immortal: true}}
}

func (*secondKey) ClientID() string { return "admin" }

// lostOnce loses the first request of a reset.
func lostOnce() func(map[string]any) (string, error) {
	lost := false
	return func(map[string]any) (string, error) {
		if lost {
			return "", nil
		}
		lost = true
		return "", &rpc.CallError{Method: "private/reset_api_key", Outcome: rpc.Unknown, Err: errDown}
	}
}
