package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	goccy "github.com/goccy/go-json"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/rpc"
)

// codecs are what decodes results. The v2 of encoding/json is what Go 1.26 has behind GOEXPERIMENT=jsonv2.
var codecs = []struct {
	name  string
	codec rpc.Codec
}{
	{"std", rpc.Codec{Marshal: json.Marshal, Unmarshal: json.Unmarshal}},
	{"v2", rpc.Codec{
		Marshal:   func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
		Unmarshal: func(data []byte, v any) error { return jsonv2.Unmarshal(data, v) },
	}},
	{"goccy", rpc.Codec{Marshal: goccy.Marshal, Unmarshal: goccy.Unmarshal}},
}

// book is the result of public/get_order_book.
type book struct {
	Timestamp  int64        `json:"timestamp"`
	State      string       `json:"state"`
	Instrument string       `json:"instrument_name"`
	ChangeID   int64        `json:"change_id"`
	MarkPrice  float64      `json:"mark_price"`
	Bids       [][2]float64 `json:"bids"`
	Asks       [][2]float64 `json:"asks"`
}

// deepBook is a book of so many levels a side.
func deepBook(levels int) book {
	b := book{Timestamp: 1791208330130, State: "open", Instrument: "ETH-PERPETUAL", ChangeID: 62180294781, MarkPrice: 2541.31}
	for i := range levels {
		away, amount := 0.05*float64(i), float64(1000+37*i)
		b.Bids = append(b.Bids, [2]float64{2541.30 - away, amount})
		b.Asks = append(b.Asks, [2]float64{2541.35 + away, amount})
	}
	return b
}

// A document is a result, and how to decode it.
type document struct {
	name   string
	data   []byte
	decode func(codec rpc.Codec, data []byte) (any, error)
}

// documents returns the results to be decoded: an order's, and a book of 100 levels a side.
func documents(tb testing.TB) []document {
	tb.Helper()
	deep, err := json.Marshal(deepBook(100))
	if err != nil {
		tb.Fatal(err)
	}
	return []document{
		{"order", ask(tb, wirepeer.Start(tb).URL()).raw, decodeInto[placed]},
		{"book", deep, decodeInto[book]},
	}
}

func decodeInto[T any](codec rpc.Codec, data []byte) (any, error) {
	v := new(T)
	return v, codec.Unmarshal(data, v)
}

// check fails unless codec decodes the document to the value that encoding/json decodes it to, and keeps nothing of it.
func (d document) check(codec rpc.Codec) error {
	want, err := d.decode(codecs[0].codec, d.data)
	if err != nil {
		return err
	}
	data := bytes.Clone(d.data)
	got, err := d.decode(codec, data)
	if err != nil {
		return err
	}
	clear(data)
	if !reflect.DeepEqual(got, want) || reflect.ValueOf(want).Elem().IsZero() {
		return fmt.Errorf("%s decodes to %+v, want %+v", d.name, got, want)
	}
	return nil
}

// chunk decodes the document n times.
func (d document) chunk(codec rpc.Codec, n int) chunk {
	return func() (int, error) {
		for i := range n {
			if _, err := d.decode(codec, d.data); err != nil {
				return i, err
			}
		}
		return n, nil
	}
}

// BenchmarkCodec asks what decoding a result costs with each codec. x-std is the ratio to encoding/json.
func BenchmarkCodec(b *testing.B) {
	const decodings = 64
	docs := documents(b)
	for _, c := range codecs {
		for _, doc := range docs {
			b.Run(fmt.Sprintf("codec=%s/result=%s", c.name, doc.name), func(b *testing.B) {
				if err := doc.check(c.codec); err != nil {
					b.Fatal(err)
				}
				std := contender{decodings, doc.chunk(codecs[0].codec, decodings)}
				race{subject: contender{decodings, doc.chunk(c.codec, decodings)}, rivals: []contender{std}}.report(b, "x-std", "std-ns")
			})
		}
	}
}
