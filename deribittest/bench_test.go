package deribittest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// benchServer is a server that nothing validates, with n plain connections to it.
func benchServer(b *testing.B, n int) (*deribittest.Server, []*websocket.Conn) {
	b.Helper()
	s, err := deribittest.New(deribittest.Config{Tick: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	conns := make([]*websocket.Conn, n)
	for i := range conns {
		ws, _, err := websocket.Dial(b.Context(), s.URL(), nil)
		if err != nil {
			b.Fatal(err)
		}
		ws.SetReadLimit(-1)
		conns[i] = ws
	}
	return s, conns
}

func roundTrip(ctx context.Context, ws *websocket.Conn, text string) error {
	if err := ws.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return err
	}
	_, _, err := ws.Read(ctx)
	return err
}

// BenchmarkCall is a round trip over loopback.
func BenchmarkCall(b *testing.B) {
	for _, method := range []string{"public/test", "public/ticker", "private/buy"} {
		b.Run(method, func(b *testing.B) {
			s, conns := benchServer(b, 1)
			k := s.AddKey(deribittest.KeyConfig{})
			auth := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"public/auth","params":{"grant_type":"client_credentials","client_id":%q,"client_secret":%q}}`, k.ClientID, k.Secret)
			text := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"instrument_name":"BTC-PERPETUAL","amount":10,"type":"market"}}`, method)
			if err := roundTrip(b.Context(), conns[0], auth); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := roundTrip(b.Context(), conns[0], text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTick is one move of the market with eight readers of 27 channels each.
func BenchmarkTick(b *testing.B) {
	s, conns := benchServer(b, 8)
	var readers sync.WaitGroup
	for _, ws := range conns {
		var channels []string
		for _, i := range []string{"BTC-PERPETUAL", "ETH-PERPETUAL", "SOL_USDC-PERPETUAL"} {
			for _, family := range []string{"book", "ticker", "trades", "perpetual"} {
				channels = append(channels, family+"."+i+".100ms", family+"."+i+".agg2")
			}
			channels = append(channels, "quote."+i)
		}
		text, err := json.Marshal(params{"jsonrpc": "2.0", "id": 1, "method": "public/subscribe", "params": params{"channels": channels}})
		if err != nil {
			b.Fatal(err)
		}
		if err := ws.Write(b.Context(), websocket.MessageText, text); err != nil {
			b.Fatal(err)
		}
		for answered := false; !answered; {
			_, data, err := ws.Read(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			answered = bytes.Contains(data, []byte(`"id":1`))
		}
		readers.Go(func() {
			for {
				if _, _, err := ws.Read(b.Context()); err != nil {
					return
				}
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Tick()
	}
	for _, ws := range conns {
		ws.CloseNow()
	}
	readers.Wait()
}
