// Package market is the market of the exchange's double: instruments, order books, orders, trades, accounts, and the streams
// that follow them. It has no goroutine, no clock and no lock: time comes in as an argument, randomness from a seed, and the
// caller serialises every call.
//
// The house, a synthetic participant, keeps every book filled around a fair price that follows an index, and trades now and
// then. Orders of accounts rest in the same books and match with the house and with each other.
package market

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"time"
)

// Market is the whole market. One goroutine at a time may use it. It remembers every order for as long as it lives, and the
// last trades of each instrument.
type Market struct {
	rng         *rand.Rand
	indexes     map[string]*index
	indexList   []*index
	instruments []*instrument
	byName      map[string]*instrument
	accounts    map[int64]*account
	owners      map[string]*account // of each order, by its id

	orderNumber, tradeNumber, changeID int64
	executed                           map[string]int

	// Limits are what accounts are told of their limits; nil tells those of the published examples.
	Limits *Limits

	streams map[streamKey]*stream
	waiting []*stream // those with something to say when they are due, in the order in which they got it
	events  []Event
}

const warmUp = 30 // minutes of trading before a market opens, so that there is a last price and a chart

// New returns a market whose every movement follows from seed, as it stands at now, with options at so many strikes, 0 for a few.
func New(seed uint64, strikes int, now time.Time) *Market {
	m := &Market{
		rng:       rand.New(rand.NewPCG(seed, 0x6d61726b6574)),
		indexes:   make(map[string]*index),
		indexList: newIndexes(),
		byName:    make(map[string]*instrument),
		accounts:  make(map[int64]*account),
		owners:    make(map[string]*account),
		executed:  make(map[string]int),
		streams:   make(map[streamKey]*stream),

		orderNumber: 4_000_000, tradeNumber: 40_000_000, changeID: 1_000_000,
	}
	for _, ix := range m.indexList {
		m.indexes[ix.name] = ix
	}
	m.list(now, cmp.Or(max(0, strikes), fewStrikes))
	opening := now.Add(-warmUp * time.Minute)
	for _, in := range m.instruments { // each gets a last price and a book, however quiet it is afterwards
		in.book.bids.side, in.book.asks.side = buy, sell
		m.print(in, buy, in.tick.near(in.mark), 10, opening)
		m.move(in, opening)
	}
	for i := range warmUp {
		m.Tick(now.Add(time.Duration(i-warmUp) * time.Minute))
	}
	return m
}

// Caller is who calls a method. Account 0 is not authenticated; Conn 0 is not a connection.
type Caller struct {
	Account int64
	Conn    uint64
}

// Error is an error of the exchange.
type Error struct {
	Code    int            `json:"code"`
	Message string         `json:"message"`
	Data    map[string]any `json:"data,omitempty"`
}

// Method is one method of the market. Scope is what the caller's token must hold, as "trade:read"; empty for public methods.
type Method struct {
	Scope string
	Call  func(m *Market, c Caller, params json.RawMessage, now time.Time) (result any, fault *Error)
}

// Tick moves the market to now: indexes walk, the house acts on the instruments, and streams with an interval send what is
// due.
func (m *Market) Tick(now time.Time) {
	for _, ix := range m.indexList {
		ix.walk(m.rng)
		for _, s := range ix.feeds {
			m.tell(s, s.source.note(nil, nil), now)
		}
	}
	for _, in := range m.instruments {
		in.reprice(now)
		if in.perpetual() || m.rng.IntN(quiet) == 0 {
			m.move(in, now)
		}
	}
	m.flush(now)
}

// quiet is how many ticks pass, on average, between two moves of an instrument that is no perpetual.
const quiet = 4

// Executed returns how many orders with this label the matching engine has accepted.
func (m *Market) Executed(label string) int { return m.executed[label] }
