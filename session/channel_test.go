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
		{"no whole number", `{"change_id":6.4e4,"prev_change_id":6.3E4}`, -1, -1},
		{"an exponent", `{"change_id":64e3,"prev_change_id":63E3}`, -1, -1},
		{"nineteen digits", `{"change_id":1000000000000000000}`, -1, -1},
	} {
		if id, previous := session.ChangeIDs([]byte(c.data)); id != c.id || previous != c.previous {
			t.Errorf("%s: %d, %d, want %d, %d", c.name, id, previous, c.id, c.previous)
		}
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	const snapshot, next, skipped, repeated, later = `{"change_id":10}`, `{"change_id":12,"prev_change_id":10}`,
		`{"change_id":15,"prev_change_id":14}`, `{"change_id":9,"prev_change_id":8}`, `{"change_id":20}`
	const ( // what is special about a message
		other = 1 << iota // it comes over another connection than the last one
		asked             // it comes after a snapshot was asked for
	)
	type message struct {
		data    string
		special int
		want    any
	}
	for _, c := range []struct {
		name      string
		messages  []message
		last      int64
		snapshots uint64
		breaks    uint64
	}{
		{"snapshot and delta", []message{{snapshot, other, session.Begins}, {next, 0, session.Follows}}, 12, 1, 0},
		{"delta first", []message{
			{next, other, session.Orphaned}, {later, 0, session.Begins}, {`{"change_id":21,"prev_change_id":20}`, 0, session.Follows},
		}, 21, 1, 0},
		{"deltas first", []message{{next, other, session.Orphaned}, {skipped, 0, session.Withheld}}, 0, 0, 0},
		{"one is missing", []message{{snapshot, 0, session.Begins}, {skipped, 0, session.Breaks}}, 10, 1, 1},
		{"after a break nothing follows", []message{
			{snapshot, 0, session.Begins},
			{skipped, 0, session.Breaks},
			{`{"change_id":16,"prev_change_id":15}`, 0, session.Withheld},
			{next, 0, session.Withheld},
		}, 10, 1, 1},
		{"after a break and a snapshot all is well", []message{
			{snapshot, 0, session.Begins},
			{skipped, 0, session.Breaks},
			{later, 0, session.Begins},
			{`{"change_id":21,"prev_change_id":20}`, 0, session.Follows},
		}, 21, 2, 1},
		{"after a break and another connection all is well", []message{
			{snapshot, 0, session.Begins}, {skipped, 0, session.Breaks}, {later, other, session.Begins},
		}, 20, 2, 1},
		{"what the snapshot holds is repeated", []message{
			{snapshot, 0, session.Begins}, {repeated, 0, session.Withheld}, {next, 0, session.Follows},
		}, 12, 1, 0},
		{"another connection", []message{{snapshot, 0, session.Begins}, {skipped, other, session.Orphaned}}, 0, 1, 0},
		{"an older snapshot after a break", []message{
			{snapshot, 0, session.Begins}, {skipped, 0, session.Breaks}, {snapshot, 0, session.Begins},
		}, 10, 2, 1},
		{"a snapshot of what was missed", []message{{snapshot, 0, session.Begins}, {later, 0, session.Leaps}}, 20, 2, 1},
		{"that was asked for", []message{{snapshot, 0, session.Begins}, {later, asked, session.Resumes}}, 20, 2, 0},
		{"that was asked for on the last connection", []message{
			{snapshot, 0, session.Begins}, {later, other | asked, session.Begins}, {`{"change_id":30}`, 0, session.Leaps},
		}, 30, 3, 1},
		{"a snapshot of what has come", []message{
			{snapshot, 0, session.Begins}, {snapshot, 0, session.Begins}, {next, 0, session.Follows},
		}, 12, 2, 0},
		{"no change id", []message{
			{snapshot, 0, session.Begins}, {`{"state":"open"}`, 0, session.Follows}, {next, 0, session.Follows},
		}, 12, 1, 0},
	} {
		var chain session.Chain
		for i, m := range c.messages {
			if m.special&asked != 0 {
				chain.Ask()
			}
			if m.special&other != 0 {
				chain.Forget()
			}
			if got := chain.Follow([]byte(m.data)); any(got) != m.want {
				t.Errorf("%s: message %d stands at %v, want %v", c.name, i, got, m.want)
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
		chain.Follow(junk)

		message := map[string]uint32{"change_id": id}
		if isDelta {
			message["prev_change_id"] = previous
		}
		data, err := json.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		before, _, _ := chain.State()
		junkID, junkPrevious := session.ChangeIDs(junk)
		wasBroken := junkID >= 0 && junkPrevious >= 0 // a delta before any snapshot
		got := chain.Follow(data)
		last, _, _ := chain.State()
		beyond := before != 0 && int64(id) > before
		want := session.Follows
		switch {
		case !isDelta && beyond && !wasBroken:
			want = session.Leaps
		case !isDelta:
			want = session.Begins
		case wasBroken:
			want = session.Withheld
		case before == 0:
			want = session.Orphaned
		case int64(previous) == before:
		case beyond:
			want = session.Breaks
		default:
			want = session.Withheld
		}
		if got != want {
			t.Errorf("after %d, broken %t: %s stands at %v, want %v", before, wasBroken, data, got, want)
		}
		wantLast := int64(id)
		if want == session.Breaks || want == session.Orphaned || want == session.Withheld {
			wantLast = before
		}
		if last != wantLast {
			t.Errorf("after %d: %s left the last id at %d, want %d", before, data, last, wantLast)
		}
	})
}
