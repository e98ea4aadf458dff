package orderbook

import (
	"encoding/json"
	"errors"
	"fmt"
)

// message is a book's message. Its memory is used again.
type message struct {
	kind       []byte // "snapshot", "change", or empty in grouped books
	instrument []byte
	timestamp  int64 // in milliseconds
	changeID   int64
	previous   int64
	bids, asks []Level // an amount of 0 removes a level

	hasID, hasPrevious bool
	hasDelete, isBare  bool // some level is deleted, or has no action
}

var (
	kindSnapshot = []byte("snapshot")
	kindChange   = []byte("change")
)

func (m *message) clear() { *m = message{bids: m.bids[:0], asks: m.asks[:0]} }

// decode reads the message; it keeps parts of data. What the scanner does not know encoding/json decides.
func (m *message) decode(data []byte) error {
	m.clear()
	s := scanner{text: data}
	if !s.message(m) {
		m.clear()
		if err := m.decodeAny(data); err != nil {
			return fmt.Errorf("%w: %w", ErrMessage, err)
		}
	}
	return m.check()
}

// isComplete reports whether the message holds the whole book.
func (m *message) isComplete() bool { return !m.hasPrevious }

// check refuses what contradicts itself.
func (m *message) check() error {
	kind := string(m.kind)
	switch {
	case !m.hasID:
		return fmt.Errorf("%w: no change_id", ErrMessage)
	case kind != "" && kind != string(kindSnapshot) && kind != string(kindChange):
		return fmt.Errorf("%w: its type is neither snapshot nor change", ErrMessage)
	case kind == string(kindSnapshot) && m.hasPrevious:
		return fmt.Errorf("%w: a snapshot has a prev_change_id", ErrMessage)
	case kind == string(kindChange) && !m.hasPrevious:
		return fmt.Errorf("%w: a change has no prev_change_id", ErrMessage)
	case m.hasPrevious && m.isBare:
		return fmt.Errorf("%w: a level of a change has no action", ErrMessage)
	case !m.hasPrevious && m.hasDelete:
		return fmt.Errorf("%w: a complete book deletes a level", ErrMessage)
	}
	return nil
}

// decodeAny reads the message as encoding/json does.
func (m *message) decodeAny(data []byte) error {
	var wire struct {
		Type       string       `json:"type"`
		Timestamp  int64        `json:"timestamp"`
		Instrument string       `json:"instrument_name"`
		ChangeID   *int64       `json:"change_id"`
		Previous   *int64       `json:"prev_change_id"`
		Bids       []wireChange `json:"bids"`
		Asks       []wireChange `json:"asks"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		if _, isType := errors.AsType[*json.UnmarshalTypeError](err); isType {
			return errors.New("a member has another type than it should have") // json's text quotes the value
		}
		return err
	}
	m.kind, m.instrument, m.timestamp = []byte(wire.Type), []byte(wire.Instrument), wire.Timestamp
	if m.hasID = wire.ChangeID != nil; m.hasID {
		m.changeID = *wire.ChangeID
	}
	if m.hasPrevious = wire.Previous != nil; m.hasPrevious {
		m.previous = *wire.Previous
	}
	m.bids, m.asks = m.appendWire(m.bids, wire.Bids), m.appendWire(m.asks, wire.Asks)
	return nil
}

func (m *message) appendWire(levels []Level, changes []wireChange) []Level {
	for _, c := range changes {
		levels = append(levels, m.level(c.action, c.price, c.amount))
	}
	return levels
}

// level is what an action leaves at a price.
func (m *message) level(a action, price, amount float64) Level {
	switch a {
	case actionSet:
	case actionDelete:
		m.hasDelete = true
		amount = 0
	case actionBare:
		m.isBare = true
	}
	return Level{price, amount}
}

// action is what becomes of a level.
type action uint8

const (
	actionSet    action = iota // new and change both say what stands there from now on
	actionDelete               // its amount is not looked at
	actionBare                 // of a grouped book, which names none
)

// actionOf reports false for what is no action.
func actionOf(name []byte) (action, bool) {
	switch string(name) {
	case "new", "change":
		return actionSet, true
	case "delete":
		return actionDelete, true
	}
	return 0, false
}

var errLevel = errors.New("a level is neither [action, price, amount] nor [price, amount]")

// wireChange is a level as encoding/json reads it.
type wireChange struct {
	action        action
	price, amount float64
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *wireChange) UnmarshalJSON(data []byte) error {
	var parts []any
	if err := json.Unmarshal(data, &parts); err != nil {
		return errLevel
	}
	c.action = actionBare
	if len(parts) == 3 {
		name, isText := parts[0].(string)
		a, isAction := actionOf([]byte(name))
		if !isText || !isAction {
			return errLevel
		}
		c.action, parts = a, parts[1:]
	}
	if len(parts) != 2 {
		return errLevel
	}
	var isPrice, isAmount bool
	c.price, isPrice = parts[0].(float64)
	c.amount, isAmount = parts[1].(float64)
	if !isPrice || !isAmount || c.amount < 0 {
		return errLevel
	}
	return nil
}
