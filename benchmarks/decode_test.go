package benchmarks

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// placed is what an engine wants of an order's answer.
type placed struct {
	Order struct {
		ID         string  `json:"order_id"`
		State      string  `json:"order_state"`
		Instrument string  `json:"instrument_name"`
		Direction  string  `json:"direction"`
		Price      float64 `json:"price"`
		Amount     float64 `json:"amount"`
		Filled     float64 `json:"filled_amount"`
		Average    float64 `json:"average_price"`
		Created    int64   `json:"creation_timestamp"`
		Label      string  `json:"label"`
	} `json:"order"`
	Trades []json.RawMessage `json:"trades"`
}

func (p *placed) check() error {
	if p.Order.ID == "" || p.Order.Price == 0 || p.Order.Label == "" {
		return fmt.Errorf("%w: decoded %+v", errNothing, p)
	}
	return nil
}

// BenchmarkDecode asks what a typed call costs beyond its parts: x-sum is the ratio to a raw call and the decoder alone.
func BenchmarkDecode(b *testing.B) {
	const n = 128
	peer := wirepeer.Start(b)
	for _, bytes := range []int{300, 3000, 30_000} {
		b.Run(fmt.Sprintf("codec=json/bytes=%d", bytes), func(b *testing.B) {
			s := dial(b, session.Config{
				URL: fmt.Sprintf("%s?result=%d", peer.URL(), bytes), Credentials: credentials, Dialer: fastest,
			})
			var reply []byte
			parts := func() (ops int, err error) {
				for ; ops < n && err == nil; ops++ {
					var result placed
					if reply, err = s.CallRaw(b.Context(), methodOrder, order{}, reply[:0]); err == nil {
						err = json.Unmarshal(reply, &result)
					}
					if err == nil {
						err = result.check()
					}
				}
				return ops, err
			}
			typed := func() (ops int, err error) {
				for ; ops < n && err == nil; ops++ {
					var result placed
					if result, err = rpc.Call[placed](b.Context(), s, methodOrder, order{}); err == nil {
						err = result.check()
					}
				}
				return ops, err
			}
			alternate(b, "x-sum", parts, typed)
		})
	}
}
