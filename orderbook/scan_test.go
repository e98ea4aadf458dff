package orderbook_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/orderbook"
)

// TestScannerReadsWhatTheExchangeSends: it gives up at nothing of that.
func TestScannerReadsWhatTheExchangeSends(t *testing.T) {
	t.Parallel()
	for _, message := range []string{documentedSnapshot, documentedChange, documentedGrouped, ` { "change_id" : 1 } `, `{"change_id":0,"bids":[[-1.5e-3,0]]}`} {
		got, ok := orderbook.Scan([]byte(message))
		want, err := orderbook.Unmarshal([]byte(message))
		if !ok || err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %t, want %+v, %v", message, got, ok, want, err)
		}
	}
}

// TestScannerGivesUp at what encoding/json refuses, and at what is rare.
func TestScannerGivesUp(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		``, `{`, `{}`, `[]`, `{"change_id":1`, `{"change_id":1}x`, `{"change_id":1,}`, `{"change_id":01}`, `{"change_id":1.0}`, `{"change_id":1e3}`,
		`{"change_id":-1}`, `{"change_id":1,"change_id":2}`, `{"Change_ID":1}`, `{"type":"\u0061"}`, `{"type":"é"}`, `{"type":null}`, `{"type":"a`,
		`{"unknown":1}`, `{"bids":null}`, `{"bids":[[1]]}`, `{"bids":[[1,2,3]]}`, `{"bids":[["new",1]]}`, `{"bids":[["old",1,2]]}`, `{"bids":[[1,-2]]}`,
		`{"bids":[[01,2]]}`, `{"bids":[[1.,2]]}`, `{"bids":[[.1,2]]}`, `{"bids":[[1e,2]]}`, `{"bids":[[+1,2]]}`, `{"bids":[[1,2],]}`, `{"bids":[[1e999,2]]}`,
		`{"bids":[[1 2]]}`, `{"bids":[[1,2]`, `{"bids":[["new" 1,2]]}`, `{"change_id":9999999999999999999}`, "{\"change_id\":1}\x00",
	} {
		if got, ok := orderbook.Scan([]byte(message)); ok {
			t.Errorf("%q: %+v", message, got)
		}
	}
}

// FuzzScan holds the scanner to encoding/json: what it reads, that reads alike.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{documentedSnapshot, documentedChange, documentedGrouped} {
		f.Add([]byte(seed))
	}
	f.Add([]byte(`{"bids":[["change",-0.5e+3,1E2],[1,2]],"asks":[],"prev_change_id":0,"change_id":9007199254740993}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := orderbook.Scan(data)
		if !ok {
			return
		}
		want, err := orderbook.Unmarshal(data)
		if err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		if len(want.Bids) == 0 && len(want.Asks) == 0 && len(got.Bids) == 0 && len(got.Asks) == 0 {
			got.Bids, got.Asks, want.Bids, want.Asks = nil, nil, nil, nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read %+v, encoding/json reads %+v", got, want)
		}
	})
}

// FuzzApply checks that no message upsets a book, and that a book which is shown is one.
func FuzzApply(f *testing.F) {
	f.Add([]byte(documentedSnapshot + "\n" + documentedChange))
	f.Add([]byte(documentedGrouped + "\n" + documentedChange))
	f.Add([]byte(`{"change_id":1,"bids":[[1,1]],"asks":[[1,1]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b orderbook.Book
		for message := range strings.SplitSeq(string(data), "\n") {
			err := b.Apply([]byte(message))
			if v := b.View(-1); (err == nil) != (v.State == orderbook.Synced) {
				t.Fatalf("%q: error %v, but the book is %v", message, err, v.State)
			}
			wantSound(t, &b)
		}
	})
}

// wantSound checks what holds of every book that is shown: each side is in its order, and they do not cross.
func wantSound(t interface{ Fatalf(string, ...any) }, b *orderbook.Book) {
	v := b.View(-1)
	if v.State == orderbook.Stale && len(v.Bids)+len(v.Asks) > 0 {
		t.Fatalf("a stale book shows %v | %v", v.Bids, v.Asks)
	}
	for i, l := range v.Bids {
		if l.Amount <= 0 || i > 0 && l.Price >= v.Bids[i-1].Price {
			t.Fatalf("bid %d of %v", i, v.Bids)
		}
	}
	for i, l := range v.Asks {
		if l.Amount <= 0 || i > 0 && l.Price <= v.Asks[i-1].Price {
			t.Fatalf("ask %d of %v", i, v.Asks)
		}
	}
	if len(v.Bids) > 0 && len(v.Asks) > 0 && v.Bids[0].Price >= v.Asks[0].Price {
		t.Fatalf("crossed: %v | %v", v.Bids[0], v.Asks[0])
	}
}
