package orderbook

import "slices"

// Decoded is what a message says.
type Decoded struct {
	Kind, Instrument              string
	Timestamp, ChangeID, Previous int64
	Bids, Asks                    []Level

	HasID, HasPrevious, HasDelete, IsBare bool
}

func (m *message) decoded() Decoded {
	return Decoded{
		Kind: string(m.kind), Instrument: string(m.instrument),
		Timestamp: m.timestamp, ChangeID: m.changeID, Previous: m.previous,
		Bids: slices.Clone(m.bids), Asks: slices.Clone(m.asks),
		HasID: m.hasID, HasPrevious: m.hasPrevious, HasDelete: m.hasDelete, IsBare: m.isBare,
	}
}

// Scan reads a message as the scanner does; not ok if it gives up.
func Scan(data []byte) (d Decoded, ok bool) {
	var m message
	s := scanner{text: data}
	ok = s.message(&m)
	return m.decoded(), ok
}

// Unmarshal reads a message as encoding/json does.
func Unmarshal(data []byte) (Decoded, error) {
	var m message
	err := m.decodeAny(data)
	return m.decoded(), err
}
