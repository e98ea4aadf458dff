package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/coder/websocket"
)

// A client is one connection of one JSON-RPC client. Its functions make the same call, [method], with the same params;
// any number of goroutines may use them at once. They overwrite result.
type client struct {
	raw   func(result *json.RawMessage) error // params ready-made, result not decoded
	typed func(result *placed) error          // params and result by encoding/json
}

// clients are those that are compared: Holdfast over each of its transports, and the peers.
var clients = []struct {
	name string
	ours bool
	dial func(tb testing.TB, url string) client
}{
	{"holdfast-nhooyr", true, dialHoldfast(nhooyr)},
	{"holdfast-coder", true, dialHoldfast(coder)},
	{"holdfast-lean", true, dialHoldfast(lean)},
	{"go-ethereum", false, dialGoEthereum},
	{"sourcegraph", false, dialSourcegraph},
	{"jrpc2", false, dialJRPC2},
}

const method = "private/buy"

type buy struct {
	Instrument string  `json:"instrument_name"`
	Amount     float64 `json:"amount"`
	Type       string  `json:"type"`
	Price      float64 `json:"price"`
	Label      string  `json:"label"`
}

var (
	typedParams = buy{"ETH-PERPETUAL", 40, "limit", 2541.35, "market-maker-7"}
	rawParams   = json.RawMessage(`{"instrument_name":"ETH-PERPETUAL","amount":40,"type":"limit","price":2541.35,"label":"market-maker-7"}`)
)

// placed is the result of [method].
type placed struct {
	Order  order   `json:"order"`
	Trades []trade `json:"trades"`
}

type order struct {
	ID          string  `json:"order_id"`
	State       string  `json:"order_state"`
	Type        string  `json:"order_type"`
	Instrument  string  `json:"instrument_name"`
	Direction   string  `json:"direction"`
	Price       float64 `json:"price"`
	Amount      float64 `json:"amount"`
	Filled      float64 `json:"filled_amount"`
	Average     float64 `json:"average_price"`
	TimeInForce string  `json:"time_in_force"`
	Created     int64   `json:"creation_timestamp"`
	Label       string  `json:"label"`
}

type trade struct {
	ID     string  `json:"trade_id"`
	Price  float64 `json:"price"`
	Amount float64 `json:"amount"`
}

// answer is what the peer of the wire answers to [method], seen without any of the clients.
type answer struct {
	raw     json.RawMessage
	decoded placed
}

func (a answer) checkRaw(got json.RawMessage) error {
	if !bytes.Equal(got, a.raw) {
		return fmt.Errorf("wrong result %q", got)
	}
	return nil
}

func (a answer) checkTyped(got *placed) error {
	if got.Order != a.decoded.Order || got.Trades == nil || len(got.Trades) != 0 {
		return fmt.Errorf("wrong result %+v", got)
	}
	return nil
}

// ask makes the call by hand.
func ask(tb testing.TB, url string) answer {
	tb.Helper()
	request := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, rawParams)
	var envelope struct{ Result json.RawMessage }
	if err := json.Unmarshal(exchangeOnce(tb, url, request), &envelope); err != nil {
		tb.Fatal(err)
	}
	a := answer{raw: envelope.Result}
	if err := json.Unmarshal(a.raw, &a.decoded); err != nil {
		tb.Fatal(err)
	}
	if o := a.decoded.Order; o.ID == "" || o.Instrument != typedParams.Instrument || o.Price != typedParams.Price {
		tb.Fatalf("the peer answers %s", a.raw)
	}
	return a
}

// exchangeOnce sends a request over a connection of its own and returns the first message that comes.
func exchangeOnce(tb testing.TB, url, request string) []byte {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	ws, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(ctx, websocket.MessageText, []byte(request)); err != nil {
		tb.Fatal(err)
	}
	_, msg, err := ws.Read(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return msg
}
