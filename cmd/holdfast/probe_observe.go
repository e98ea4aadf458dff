package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// resetSeen is what was seen of one reset.
type resetSeen struct {
	Refused   rpc.Code `json:"refused"` // the code; 0 if it was done
	Factor    factor   `json:"second_factor"`
	ReplyLost bool     `json:"reply_lost"`
	// The connection of the key that asked, nil if another key did, and one that did not ask.
	Asking *connectionSeen `json:"asking,omitempty"`
	Other  *connectionSeen `json:"other,omitempty"`
	// The tokens of a named session, used on connections of their own.
	SessionAccess  rpc.Code `json:"session_access_token"`
	SessionRefresh rpc.Code `json:"session_refresh_token"`
	// What the other connection was told: by user.access_log of the reset itself, by user.orders of an order after it.
	ResetTold bool `json:"reset_told"`
	OrderTold bool `json:"order_told"`
}

// connectionSeen is what a reset did to a connection.
type connectionSeen struct {
	Closed  bool     `json:"closed"`
	Private rpc.Code `json:"private_call"` // how a private call was refused; 0 if it was not, or the connection was closed
}

// tokensRevoked reports whether any token was dead afterwards.
func (r resetSeen) tokensRevoked() bool {
	return slices.ContainsFunc(r.codes(), func(code rpc.Code) bool { return code != 0 })
}

// codes are those with which tokens were refused.
func (r resetSeen) codes() []rpc.Code {
	codes := []rpc.Code{r.SessionAccess, r.SessionRefresh}
	for _, c := range []*connectionSeen{r.Asking, r.Other} {
		if c != nil {
			codes = append(codes, c.Private)
		}
	}
	return codes
}

// closed reports whether any connection was closed.
func (r resetSeen) closed() bool {
	return r.Asking != nil && r.Asking.Closed || r.Other != nil && r.Other.Closed
}

// dropped reports whether the private subscriptions of the other connection ended before it did.
func (r resetSeen) dropped() bool {
	if r.Other == nil {
		return false
	}
	if r.Other.Closed {
		return !r.ResetTold
	}
	return !r.OrderTold
}

// stage is the connections of the key while it is reset.
type stage struct {
	asking        *wire // nil if another key asks
	other, shared *wire
}

// sessionScope is the named session whose tokens are tried.
const sessionScope = "session:holdfast-probe"

// stage opens the connections, and sees that an order is told on the channels that will be watched. The caller closes it.
func (p *probe) stage(ctx context.Context) (*stage, error) {
	s := &stage{}
	err := p.set(ctx, s)
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (p *probe) set(ctx context.Context, s *stage) (err error) {
	if s.other, err = p.login(ctx, ""); err != nil {
		return err
	}
	if s.shared, err = p.login(ctx, sessionScope); err != nil {
		return err
	}
	if code, err := s.other.private(ctx); err != nil || code != 0 {
		return errors.Join(fmt.Errorf("%s: code %d: the key needs account:read_write", methodSummary, code), err)
	}
	if err = s.other.subscribe(ctx, p.ordersChannel(), logChannel); err != nil {
		return err
	}
	told, err := p.provoke(ctx)
	if err == nil && !s.other.await(ctx, p.wait, told) {
		err = fmt.Errorf("an order was not told on %s within %v: raise -wait", p.ordersChannel(), p.wait)
	}
	return err
}

const logChannel = "user.access_log"

func (p *probe) ordersChannel() string { return "user.orders." + p.instrument + ".raw" }

// wires are the connections that are open, or have been.
func (s *stage) wires() []*wire {
	return slices.DeleteFunc([]*wire{s.asking, s.other, s.shared}, func(w *wire) bool { return w == nil })
}

func (s *stage) close() {
	for _, w := range s.wires() {
		_ = w.Close() // the exchange may have closed it
	}
}

// observeAdmin has the second key reset the key. It comes first: it shows that the key can be brought back.
func (p *probe) observeAdmin(ctx context.Context) (seen resetSeen, err error) {
	s, err := p.stage(ctx)
	if err != nil {
		return seen, err
	}
	defer s.close()
	if seen.Factor, err = p.resetByAdmin(ctx); err != nil {
		return seen, err
	}
	return seen, p.watch(ctx, s, &seen)
}

// observeItself has the key reset itself, which the exchange may refuse, and whose reply it may lose.
func (p *probe) observeItself(ctx context.Context) (seen resetSeen, err error) {
	s, err := p.stage(ctx)
	if err != nil {
		return seen, err
	}
	defer s.close()
	if s.asking, err = p.login(ctx, ""); err != nil {
		return seen, err
	}
	seen.Factor, err = p.reset(ctx, s.asking)
	if seen.Refused, err = refusal(err); seen.Refused != 0 {
		return seen, nil
	}
	if lost, ok := errors.AsType[*rpc.CallError](err); ok && lost.Outcome == rpc.Unknown {
		seen.ReplyLost = true
		if _, err := p.resetByAdmin(ctx); err != nil {
			return seen, fmt.Errorf("the key's secret is lost: reset it by hand: %w", err)
		}
		if !s.asking.closed() {
			return seen, fmt.Errorf("no reply came, on a connection that is open: %w", err)
		}
	} else if err != nil {
		return seen, err
	}
	return seen, p.watch(ctx, s, &seen)
}

// watch sees what a reset has done to the connections, the tokens and the subscriptions.
func (p *probe) watch(ctx context.Context, s *stage, seen *resetSeen) error {
	s.await(ctx, p.wait)
	seen.ResetTold = s.other.has(event{Log: "reset_api_key"})
	var err error
	if seen.Other, err = s.other.look(ctx); err != nil {
		return err
	}
	if s.asking != nil {
		if seen.Asking, err = s.asking.look(ctx); err != nil {
			return err
		}
	}
	if seen.ReplyLost && !seen.Other.Closed {
		return errors.New("the reply was lost, and no other connection of the key closed: it may be the network: try again")
	}
	if err := p.watchTokens(ctx, s, seen); err != nil {
		return err
	}
	if seen.Other.Closed {
		return nil
	}
	told, err := p.provoke(ctx)
	if err != nil {
		return err
	}
	seen.OrderTold = s.other.await(ctx, p.wait, told)
	return nil
}

// await waits until the exchange has closed the connections that it closes, or has had the time to.
func (s *stage) await(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, w := range s.wires() {
		select {
		case <-w.Done():
		case <-ctx.Done():
		}
	}
}

// look sees what has become of a connection.
func (w *wire) look(ctx context.Context) (*connectionSeen, error) {
	if w.closed() {
		return &connectionSeen{Closed: true}, nil
	}
	code, err := w.private(ctx)
	return &connectionSeen{Private: code}, err
}

// watchTokens tries the named session's tokens, which were given before the reset.
func (p *probe) watchTokens(ctx context.Context, s *stage, seen *resetSeen) error {
	fresh, err := p.wire(ctx)
	if err != nil {
		return err
	}
	seen.SessionAccess, err = fresh.privateWith(ctx, s.shared.access)
	if err = errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	redeemed, _, err := session.Redeem(ctx, p.config(), s.shared.refresh)
	if seen.SessionRefresh, err = refusal(err); redeemed != nil {
		return errors.Join(err, redeemed.Close(ctx))
	}
	return err
}
