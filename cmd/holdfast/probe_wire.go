package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

// wire is a bare connection. A session would authenticate and connect again by itself, and so hide what is looked for.
type wire struct {
	*rpc.Conn
	access, refresh session.Secret // of the last login
	more            chan struct{}  // events came

	mu     sync.Mutex // protects what follows
	events []event
}

// event is what matters of a notification: the order that it is about, or the entry of the access log.
type event struct {
	OrderID string `json:"order_id"`
	Log     string `json:"log"`
	Result  string `json:"result"` // an older name of log
}

// maxEvents bounds what is remembered of an account on which others are at work.
const maxEvents = 10_000

func (p *probe) wire(ctx context.Context) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	transport, err := nhooyrws.Dialer{}.Dial(ctx, rpc.DialConfig{URL: p.url, NetDial: p.netDial})
	if err != nil {
		return nil, err
	}
	w := &wire{more: make(chan struct{}, 1)}
	w.Conn = rpc.NewConn(transport, rpc.Config{Handler: w.note, Sensitive: func(string) bool { return true }})
	return w, nil
}

const dialTimeout = 10 * time.Second

// note remembers a notification. What is no order and no entry of the log is none of those looked for.
func (w *wire) note(n rpc.Notification) {
	var e event
	if json.Unmarshal(n.Member("data"), &e) != nil {
		return
	}
	w.mu.Lock()
	if len(w.events) < maxEvents {
		w.events = append(w.events, e)
	}
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// await reports whether an event has come, or comes within the time given. One goroutine may wait.
func (w *wire) await(ctx context.Context, patience time.Duration, want event) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !w.has(want) {
		select {
		case <-w.more:
		case <-w.Done():
			return w.has(want)
		case <-ctx.Done():
			return w.has(want)
		}
	}
	return true
}

func (w *wire) has(want event) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.events, func(e event) bool {
		return want.OrderID != "" && e.OrderID == want.OrderID || want.Log != "" && (e.Log == want.Log || e.Result == want.Log)
	})
}

// closed reports whether the exchange has closed the connection.
func (w *wire) closed() bool {
	select {
	case <-w.Done():
		return true
	default:
		return false
	}
}

// authenticate makes a public/auth and returns the code with which it was refused, 0 if it was not.
func (w *wire) authenticate(ctx context.Context, params map[string]string) (rpc.Code, error) {
	var got struct {
		Access  session.Secret `json:"access_token"`
		Refresh session.Secret `json:"refresh_token"`
	}
	code, err := refusal(w.Call(ctx, "public/auth", params, &got))
	if code == 0 && err == nil {
		w.access, w.refresh = got.Access, got.Refresh
	}
	return code, err
}

// byKey are the params of a login with a key's credentials. The bare connection sends the secret itself, as a signature would
// mix the question of clocks into each answer.
func byKey(creds session.Credentials, secret session.Secret, scope string) map[string]string {
	return map[string]string{
		"grant_type": "client_credentials", "client_id": creds.ClientID, "client_secret": string(secret.Reveal()), "scope": scope,
	}
}

// private makes a harmless private call with the connection's own authority, and returns the code of its refusal, 0 for none.
func (w *wire) private(ctx context.Context) (rpc.Code, error) {
	return refusal(w.Call(ctx, methodSummary, map[string]string{"currency": "BTC"}, nil))
}

// privateWith is private with a token.
func (w *wire) privateWith(ctx context.Context, token session.Secret) (rpc.Code, error) {
	return refusal(w.Call(ctx, methodSummary, map[string]string{"currency": "BTC", "access_token": string(token.Reveal())}, nil))
}

const methodSummary = "private/get_account_summary"

// subscribe subscribes to what must be told of orders and of resets.
func (w *wire) subscribe(ctx context.Context, channels ...string) error {
	got, err := rpc.Call[[]string](ctx, w, "private/subscribe", map[string][]string{"channels": channels})
	if err != nil {
		return err
	}
	for _, channel := range channels {
		if !slices.Contains(got, channel) {
			return fmt.Errorf("the exchange refuses the channel %s: the key needs account:read_write and trade:read_write", channel)
		}
	}
	return nil
}

// login opens a bare connection and authenticates it with the key's present secret.
func (p *probe) login(ctx context.Context, scope string) (*wire, error) {
	w, err := p.wire(ctx)
	if err != nil {
		return nil, err
	}
	code, err := w.authenticate(ctx, byKey(p.creds, p.creds.Secret, scope))
	if err == nil && code != 0 {
		err = fmt.Errorf("the exchange refuses the key's present secret: code %d", code)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// refusal takes the code out of the exchange's refusal of a call; other errors are returned.
func refusal(err error) (rpc.Code, error) {
	if refused, ok := errors.AsType[*rpc.Error](err); ok {
		return refused.Code, nil
	}
	return 0, err
}
