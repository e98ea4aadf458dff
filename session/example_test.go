package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// exchange starts the exchange's double. Against the real one the URL is session.TestURL, and the credentials come from
// the account.
func exchange() (*deribittest.Server, session.Config) {
	server, err := deribittest.New(deribittest.Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	key := server.AddKey(deribittest.KeyConfig{})
	return server, session.Config{
		URL:         server.URL(),
		Credentials: session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))},
	}
}

func ExampleDial() {
	server, cfg := exchange()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s, err := session.Dial(ctx, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.State())

	err = s.Close(ctx)
	fmt.Println(err, s.State())
	// Output:
	// ready
	// <nil> closed
}

func ExampleSession_Call() {
	server, cfg := exchange()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := session.Dial(ctx, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close(ctx)

	var placed struct {
		Order struct {
			State string `json:"order_state"`
		} `json:"order"`
	}
	order := map[string]any{"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 1000, "label": "a"}
	err = s.Call(ctx, "private/buy", order, &placed)
	fmt.Println(placed.Order.State, err)

	// A refusal is an *rpc.Error, and says whether it is safe to try again.
	err = s.Call(ctx, "private/cancel", map[string]any{"order_id": "BTC-0"}, nil)
	if refusal, ok := errors.AsType[*rpc.Error](err); ok {
		fmt.Println(refusal.Class(), rpc.SafeToRetry(err))
	}
	// Output:
	// open <nil>
	// permanent false
}

func ExampleSession_Send() {
	server, cfg := exchange()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := session.Dial(ctx, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close(ctx)

	// Many calls are under way at once, without a goroutine for each.
	var pending []*session.Pending
	for _, currency := range []string{"BTC", "ETH"} {
		p, err := s.Send(ctx, "public/get_instruments", map[string]string{"currency": currency, "kind": "future"})
		if err != nil {
			fmt.Println(err)
			return
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		var instruments []struct {
			Base string `json:"base_currency"`
		}
		if err := p.Wait(ctx, &instruments); err != nil || len(instruments) == 0 {
			fmt.Println(err)
			return
		}
		fmt.Println(instruments[0].Base)
	}
	// Output:
	// BTC
	// ETH
}

func ExampleSession_Subscribe() {
	server, cfg := exchange()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := session.Dial(ctx, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close(ctx)

	book, err := s.Subscribe(ctx, session.SubscribeConfig{}, "book.BTC-PERPETUAL.raw")
	if err != nil {
		fmt.Println(err)
		return
	}
	for n, err := range book.Notifications(ctx) {
		if gap, ok := errors.AsType[*session.GapError](err); ok {
			fmt.Println("what follows is not continuous:", gap.Reason)
			continue // the stream goes on
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		var message struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(n.Data, &message); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(n.Channel, message.Type)
		if message.Type == "change" {
			break
		}
	}
	fmt.Println(book.Close(ctx))
	// Output:
	// book.BTC-PERPETUAL.raw snapshot
	// book.BTC-PERPETUAL.raw change
	// <nil>
}

func ExampleSession_Handle() {
	server, cfg := exchange()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := session.Dial(ctx, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close(ctx)

	// The handler runs on the reader's goroutine: it must be quick.
	first := make(chan string, 1)
	remove := s.Handle("ticker.BTC-PERPETUAL.raw", func(n session.Notification) {
		select {
		case first <- n.Channel:
		default:
		}
	})
	defer remove()
	if _, err := s.Subscribe(ctx, session.SubscribeConfig{}, "ticker.BTC-PERPETUAL.raw"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-first)
	// Output: ticker.BTC-PERPETUAL.raw
}

func ExampleSession_Reauthenticate() {
	server, cfg := exchange()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := session.Dial(ctx, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close(ctx)

	// The source is asked for the credentials of now. Calls and subscriptions go on meanwhile, over the same connection.
	fmt.Println(s.Reauthenticate(ctx), s.State(), s.Stats().Epoch)
	// Output: <nil> ready 1
}

// Two sessions bring the same channels: losing either connection loses nothing.
func ExampleDialGroup() {
	server, cfg := exchange()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	pair, err := session.DialGroup(ctx, session.GroupConfig{Config: cfg, Sessions: 2, Copies: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pair.Close(ctx)

	book, err := pair.Subscribe(ctx, session.SubscribeConfig{}, "book.BTC-PERPETUAL.raw")
	if err != nil {
		fmt.Println(err)
		return
	}
	messages, gaps := 0, 0
	for _, err := range book.Notifications(ctx) {
		if _, ok := errors.AsType[*session.GapError](err); ok {
			gaps++
			continue // both connections were lost; the stream goes on
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		if messages++; messages == 25 {
			server.Inject(deribittest.Fault{Kind: deribittest.Cut, Conn: 1})
		}
		if messages == 75 {
			break
		}
	}
	fmt.Println(messages, "messages,", gaps, "gaps,", server.Stats().Faults[deribittest.Cut], "connection cut")
	// Output: 75 messages, 0 gaps, 1 connection cut
}

// Orders go over the first session of a group, in the order of their calls. Reads go over any.
func ExampleGroup_Call() {
	server, cfg := exchange()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cfg.Name = "engine"
	group, err := session.DialGroup(ctx, session.GroupConfig{Config: cfg, Sessions: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer group.Close(ctx)

	sent := map[string]uint64{}
	for _, s := range group.Sessions() {
		sent[s.Name()] = s.Stats().Conn.Sent
	}
	for i := range 10 {
		order := map[string]any{"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 1000 + i}
		if err := group.Call(ctx, "private/buy", order, nil); err != nil {
			fmt.Println(err)
			return
		}
	}
	for _, s := range group.Sessions() {
		fmt.Println(s.Name(), s.Stats().Conn.Sent-sent[s.Name()])
	}
	// Output:
	// engine-1 10
	// engine-2 0
	// engine-3 0
	// engine-4 0
}

func ExampleSecret() {
	creds := session.Credentials{ClientID: "id", Secret: session.NewSecret([]byte("hush")), Generation: 2}
	text, err := json.Marshal(creds)

	fmt.Printf("%+v\n", creds)
	fmt.Println(string(text), err)
	fmt.Println(creds.Secret.Fingerprint(), string(creds.Secret.Reveal()))
	// Output:
	// {ClientID:id Secret:[secret] Signer:<nil> Generation:2}
	// {"ClientID":"id","Secret":"[secret]","Generation":2} <nil>
	// dc8331bc hush
}

func ExampleTryCredentials() {
	server, cfg := exchange()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	err := session.TryCredentials(ctx, cfg, session.Credentials{ClientID: "nobody", Secret: session.NewSecret([]byte("guess"))})
	refused, ok := errors.AsType[*session.AuthError](err)
	fmt.Println(ok && refused.ClientID == "nobody")
	// Output: true
}
