// Package market is the market of the exchange's double: instruments, order books, orders, trades, accounts, and the streams
// that follow them. It has no goroutine, no clock and no lock: time comes in as an argument, randomness from a seed, and the
// caller serialises every call.
package market

import (
	"encoding/json"
	"time"
)

// Market is the whole market. One goroutine at a time may use it.
type Market struct {
	events   []Event
	executed map[string]int
}

// New returns a market whose every movement follows from seed, as it stands at now.
func New(_ uint64, _ time.Time) *Market {
	return &Market{executed: make(map[string]int)}
}

// Caller is who calls a method. Account 0 is not authenticated; Conn 0 is not a connection.
type Caller struct {
	Account int64
	Conn    uint64
	Label   string
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

// Methods returns the market's methods by name.
func (m *Market) Methods() map[string]Method { return map[string]Method{} }

// Event is one message of a stream: the data of a notification. Account 0 is a public stream.
type Event struct {
	Account int64
	Channel string
	Data    json.RawMessage
}

// Drain returns the events since the last call, in order. They become the caller's.
func (m *Market) Drain() []Event {
	events := m.events
	m.events = nil
	return events
}

// Tick moves the market to now.
func (m *Market) Tick(_ time.Time) {}

// Executed returns how many orders with this label the matching engine has accepted.
func (m *Market) Executed(label string) int { return m.executed[label] }

// ChannelInfo says what a channel is.
type ChannelInfo struct {
	Private, Raw bool
	Kind         string
}

// Channel tells what a channel name stands for. It is not ok for a name that the exchange refuses.
func (m *Market) Channel(_ string) (info ChannelInfo, ok bool) { return ChannelInfo{}, false }

// Subscribe adds a subscriber to an account's stream; public streams belong to account 0.
func (m *Market) Subscribe(_ int64, _ string) {}

// Unsubscribe takes a subscriber from a stream.
func (m *Market) Unsubscribe(_ int64, _ string) {}

// Snapshot returns the first message of a stream for a new subscriber; not ok where the stream has none.
func (m *Market) Snapshot(_ int64, _ string, _ time.Time) (data json.RawMessage, ok bool) {
	return nil, false
}

// CancelOnDisconnect cancels the open orders that came over a connection.
func (m *Market) CancelOnDisconnect(_ uint64, _ time.Time) {}
