package peers

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/session/transport/coderws"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

var (
	nhooyr = nhooyrws.Dialer{}
	coder  = coderws.Dialer{}
	lean   = leanws.Dialer{}
)

// readyMade is params that are JSON already.
type readyMade []byte

// AppendJSON implements rpc.Appender.
func (r readyMade) AppendJSON(dst []byte) ([]byte, error) { return append(dst, r...), nil }

// dialHoldfast returns a function that connects an authenticated session as its users have it.
func dialHoldfast(dialer rpc.Dialer) func(tb testing.TB, url string) client {
	return func(tb testing.TB, url string) client {
		tb.Helper()
		ctx := tb.Context()
		s, err := session.Dial(ctx, session.Config{
			URL: url, Dialer: dialer,
			Credentials: session.Credentials{ClientID: "bench", Secret: session.NewSecret([]byte("secret")), Generation: 1},
		})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := s.Close(context.WithoutCancel(tb.Context())); err != nil {
				tb.Error(err)
			}
		})
		params := rpc.Appender(readyMade(rawParams))
		return client{
			raw: func(result *json.RawMessage) (err error) {
				*result, err = s.CallRaw(ctx, method, params, (*result)[:0])
				return err
			},
			typed: func(result *placed) (err error) {
				*result, err = rpc.Call[placed](ctx, s, method, typedParams)
				return err
			},
		}
	}
}
