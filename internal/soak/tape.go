package main

import (
	"encoding/json"

	"github.com/holdfast-ws/holdfast/session"
)

// tape follows the numbers of an instrument's trades, which have no holes.
type tape struct {
	last            int64
	trades, skipped int64
	again           int64
}

// take follows a message of trades.INSTRUMENT.
func (t *tape) take(n session.Notification) error {
	var trades []struct {
		Seq int64 `json:"trade_seq"`
	}
	if err := json.Unmarshal(n.Data, &trades); err != nil {
		return err
	}
	for _, one := range trades {
		t.trades++
		switch {
		case t.last == 0 || one.Seq == t.last+1:
		case one.Seq > t.last:
			t.skipped += one.Seq - t.last - 1
		default:
			t.again++
		}
		t.last = max(t.last, one.Seq)
	}
	return nil
}
