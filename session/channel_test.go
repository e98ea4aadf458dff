package session_test

import (
	"encoding/json"
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

func TestChangeIDs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, data   string
		id, previous int64 // -1: none
	}{
		{"snapshot", `{"type":"snapshot","change_id":297217,"bids":[]}`, 297217, -1},
		{"delta", `{"prev_change_id":297217,"change_id":297218}`, 297218, 297217},
		{"delta, other order", `{"change_id": 2, "prev_change_id" : 1}`, 2, 1},
		{"among others", `{"order_id":7,"x_change_id":8,"a":"change_id","change_id":9,"b":"_id","prev_change_id":0}`, 9, 0},
		{"in a string", `{"a":"\"change_id\":1,\"","change_id":2}`, 2, -1},
		{"none", `{"bids":[]}`, -1, -1},
		{"no number", `{"change_id":null,"prev_change_id":"1"}`, -1, -1},
		{"cut off", `{"change_id":`, -1, -1},
		{"cut off earlier", `{"change_id"`, -1, -1},
		{"eighteen digits", `{"change_id":999999999999999999}`, 999999999999999999, -1},
		{"nineteen digits", `{"change_id":1000000000000000000}`, -1, -1},
	} {
		if id, previous := session.ChangeIDs([]byte(c.data)); id != c.id || previous != c.previous {
			t.Errorf("%s: %d, %d, want %d, %d", c.name, id, previous, c.id, c.previous)
		}
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	const snapshot, next, skipped, repeated = `{"change_id":10}`, `{"change_id":12,"prev_change_id":10}`,
		`{"change_id":15,"prev_change_id":14}`, `{"change_id":9,"prev_change_id":8}`
	type message struct {
		data    string
		same    bool
		follows bool
	}
	for _, c := range []struct {
		name      string
		messages  []message
		last      int64
		snapshots uint64
		breaks    uint64
	}{
		{"snapshot and delta", []message{{snapshot, false, true}, {next, true, true}}, 12, 1, 0},
		{"delta first", []message{{next, false, true}}, 12, 0, 0},
		{"one is missing", []message{{snapshot, true, true}, {skipped, true, false}}, 15, 1, 1},
		{"after a break the chain goes on", []message{{snapshot, true, true}, {skipped, true, false}, {`{"change_id":16,"prev_change_id":15}`, true, true}}, 16, 1, 1},
		{"what the snapshot holds is repeated", []message{{snapshot, true, true}, {repeated, true, true}, {next, true, true}}, 12, 1, 0},
		{"another connection", []message{{snapshot, true, true}, {skipped, false, true}}, 15, 1, 0},
		{"a second snapshot", []message{{snapshot, true, true}, {skipped, true, false}, {snapshot, true, true}}, 10, 2, 1},
		{"a snapshot of what was missed", []message{{snapshot, true, true}, {`{"change_id":20}`, true, false}}, 20, 2, 1},
		{"a snapshot of what has come", []message{{snapshot, true, true}, {snapshot, true, true}, {next, true, true}}, 12, 2, 0},
		{"no change id", []message{{snapshot, true, true}, {`{"state":"open"}`, true, true}, {next, true, true}}, 12, 1, 0},
	} {
		var chain session.Chain
		for i, m := range c.messages {
			if got := chain.Follow(m.same, []byte(m.data)); got != m.follows {
				t.Errorf("%s: message %d follows = %t, want %t", c.name, i, got, m.follows)
			}
		}
		if last, snapshots, breaks := chain.State(); last != c.last || snapshots != c.snapshots || breaks != c.breaks {
			t.Errorf("%s: last %d, %d snapshots, %d breaks, want %d, %d, %d", c.name, last, snapshots, breaks, c.last, c.snapshots, c.breaks)
		}
	}
}

func TestIsBookWithChain(t *testing.T) {
	t.Parallel()
	for channel, want := range map[string]bool{
		"book.BTC-PERPETUAL.raw": true, "book.BTC-PERPETUAL.100ms": true, "book.BTC-PERPETUAL.none.10.100ms": false,
		"book.BTC-PERPETUAL": false, "ticker.BTC-PERPETUAL.raw": false,
	} {
		if got := session.IsBookWithChain(channel); got != want {
			t.Errorf("IsBookWithChain(%q) = %t, want %t", channel, got, want)
		}
	}
}

// FuzzChain checks that no bytes upset the chain, and that it reads the ids of a message as encoding/json does.
func FuzzChain(f *testing.F) {
	f.Add([]byte(`{"change_id":1,"prev_change_id":0}`), uint32(1), uint32(2), true)
	f.Add([]byte(`"change_id"`), uint32(0), uint32(0), false)
	f.Add([]byte(`{"change_id":99999999999999999999999}`), uint32(7), uint32(7), true)
	f.Fuzz(func(t *testing.T, junk []byte, id, previous uint32, isDelta bool) {
		var chain session.Chain
		chain.Follow(true, junk)

		message := map[string]uint32{"change_id": id}
		if isDelta {
			message["prev_change_id"] = previous
		}
		data, err := json.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		before, _, _ := chain.State()
		follows := chain.Follow(true, data)
		last, _, breaks := chain.State()
		wantBreak := before != 0 && int64(id) > before && (!isDelta || int64(previous) != before)
		if follows == wantBreak || breaks > 1 || wantBreak != (breaks == 1) {
			t.Errorf("after %d: %s follows = %t, breaks %d", before, data, follows, breaks)
		}
		isRepeat := isDelta && before != 0 && int64(previous) != before && int64(id) <= before
		if !isRepeat && last != int64(id) {
			t.Errorf("after %d: %s left the last id at %d", before, data, last)
		}
	})
}
