package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// An Authority sends the reset. A [*session.Session] is one, and every [Session].
type Authority interface {
	rpc.Caller
	// CallRaw appends the JSON of the result to dst.
	CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error)
	// ClientID is that of the key with which it authenticates, whether it is connected or not. One of another key than the one to rotate
	// lives on whatever a reset does to the key's tokens. If it is empty, the key is not known, and nobody relies on its being another.
	ClientID() string
	// WaitReady waits until it is connected and authenticated.
	WaitReady(ctx context.Context) error
}

// isIndependent reports whether an authority lives on whatever a reset does to the key's tokens.
func (r *rotation) isIndependent(a Authority) bool {
	if a == nil || a != r.cfg.Authority {
		return false
	}
	id := a.ClientID()
	return id != "" && id != r.report.ClientID
}

// appealTo are those who may reset the key: whoever the Config names, or else the sessions, whose tokens may have outlived a reset
// whose answer was lost; and in the end the rescue token.
func (r *rotation) appealTo(record Record) []Authority {
	var all []Authority
	if r.cfg.Authority != nil {
		all = append(all, r.cfg.Authority)
	}
	for _, s := range r.cfg.Sessions() {
		if s != r.cfg.Authority {
			all = append(all, s)
		}
	}
	if i := record.Intent; i != nil && !i.Rescue.IsZero() && !i.Rescue.Equal(r.redeemed) {
		r.rescue, r.redeemed = i.Rescue, session.Secret{}
	}
	if !r.rescue.IsZero() {
		all = append(all, &rescuer{rotation: r})
	}
	return all
}

// rescueScope is all that a rescue token is for, and for how long.
const rescueScope = "session:%s-rescue account:read_write expires:3600"

// mintRescue makes the rescue token, without which a lost reply could lock the key out, unless another key has authority.
func (r *rotation) mintRescue(ctx context.Context) error {
	if r.isIndependent(r.cfg.Authority) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SessionTimeout)
	defer cancel()
	token, err := r.outside.mint(ctx, r.seen.credentials(r.old), fmt.Sprintf(rescueScope, r.id))
	if err == nil {
		r.rescue = token
		return nil
	}
	err = fmt.Errorf("rotate: rescue token: %w", err)
	if r.cfg.AcceptLockout {
		r.warn(ctx, "rotation: goes on without", err)
		return nil
	}
	return err
}

// dropRescue ends the rescue token at the exchange; it would expire in an hour.
func (r *rotation) dropRescue(ctx context.Context) {
	if r.rescue.IsZero() {
		return
	}
	token := r.rescue
	r.rescue = session.Secret{}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SessionTimeout)
	defer cancel()
	err := r.outside.drop(ctx, token)
	if _, dead := errors.AsType[*session.AuthError](err); err != nil && !dead {
		r.warn(ctx, "rotation: the rescue token was not dropped, it ends within an hour", err)
	}
}

// rescuer is the authority of a rescue token: each reset is sent over a connection of its own.
type rescuer struct {
	*rotation
}

// ClientID is the key's own.
func (a *rescuer) ClientID() string { return a.report.ClientID }

// WaitReady need not wait: there is a connection for each call.
func (*rescuer) WaitReady(context.Context) error { return nil }

// Call is not of use here.
func (a *rescuer) Call(_ context.Context, method string, _, _ any) error {
	return notSent(method, errors.ErrUnsupported)
}

// CallRaw redeems the token, which ends it, and stores the next one before it makes the call.
func (a *rescuer) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	if !a.redeemed.IsZero() { // the store has the dead one still
		if err := a.storeRescue(ctx); err != nil {
			return dst, notSent(method, err)
		}
	}
	authority, next, err := a.outside.redeem(ctx, a.rescue)
	if err != nil {
		return dst, notSent(method, err)
	}
	defer func() {
		if err := authority.Close(ctx); err != nil {
			a.warn(ctx, "rotation: rescue connection", err)
		}
	}()
	a.redeemed, a.rescue = a.rescue, next
	if err := a.storeRescue(ctx); err != nil {
		return dst, notSent(method, err)
	}
	return authority.CallRaw(ctx, method, params, dst)
}

// keepRescue puts a token into the record that was to be stored, and was not.
func (r *rotation) keepRescue(record *Record) {
	if !r.redeemed.IsZero() && record.Intent != nil {
		record.Intent.Rescue = r.rescue
	}
}

// storeRescue puts the token into the store, in the place of the one that it has replaced, whoever has the lease. The reset that follows
// may have waited for the token: it is stamped anew, and not sent if the lease is lost.
func (a *rescuer) storeRescue(ctx context.Context) error {
	var lost error
	_, err := a.journal.update(ctx, func(record *Record) error {
		lost = record.arm(a.holder, a.id, time.Now())
		record.raise(a.id, time.Now()).Rescue = a.rescue
		return nil
	})
	if err == nil {
		a.redeemed = session.Secret{}
	}
	return errors.Join(err, lost)
}

// notSent is a call of which no byte has left.
func notSent(method string, err error) error {
	return &rpc.CallError{Method: method, Outcome: rpc.NotSent, Err: err}
}
