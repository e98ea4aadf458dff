package market

import (
	"encoding/json"
	"math"
	"slices"
)

// Codes of errors, from the exchange's complete table.
const (
	codeInvalidParams   = -32602
	codeQuantityTooLow  = 10002
	codeOrderOverlap    = 10003
	codeOrderNotFound   = 10004
	codePriceTooLow     = 10005
	codePriceTooHigh    = 10007
	codeNotEnoughFunds  = 10009
	codeInvalidAmount   = 10021
	codeInvalidPrice    = 10023
	codeNotOwner        = 10029
	codeNotImplemented  = 10033
	codePriceWrongTick  = 10043
	codeOtherReject     = 11030
	codeNotOpenOrder    = 11044
	codeUnsupportedArgs = 11047
	codePostOnlyReject  = 11054
	codeNotFound        = 13020
	codeTimedOut        = 13888
)

// Reasons with which parameters are refused.
const (
	reasonRequired    = "value required"
	reasonType        = "invalid type"
	reasonWrongFormat = "wrong format"
)

const (
	maxCount = 1000
	maxLabel = 64 // bytes
)

func reject(code int, message string) *Error { return &Error{Code: code, Message: message} }

// params reads the parameters of a call. The first thing wrong stays in fault; what is read after it is of no use.
type params struct {
	values map[string]json.RawMessage
	fault  *Error
}

func read(raw json.RawMessage) *params {
	p := &params{}
	if len(raw) > 0 && json.Unmarshal(raw, &p.values) != nil {
		p.refuse("params", reasonType)
	}
	return p
}

func (p *params) refuse(name, reason string) {
	if p.fault == nil {
		p.fault = &Error{
			Code: codeInvalidParams, Message: "Invalid params",
			Data: map[string]any{"reason": reason, "param": name},
		}
	}
}

func (p *params) has(name string) bool {
	v, ok := p.values[name]
	return ok && string(v) != "null"
}

// need refuses a call without this parameter.
func (p *params) need(name string) *params {
	if !p.has(name) {
		p.refuse(name, reasonRequired)
	}
	return p
}

// into reads a parameter; what is not there stays as it is.
func (p *params) into(name string, dst any) {
	if p.has(name) && json.Unmarshal(p.values[name], dst) != nil {
		p.refuse(name, reasonType)
	}
}

func (p *params) text(name string) string {
	var v string
	p.into(name, &v)
	return v
}

func (p *params) flag(name string) bool {
	var v bool
	p.into(name, &v)
	return v
}

// unsupported refuses a flag that asks for an answer whose form is not documented.
func (p *params) unsupported(name string) {
	if p.flag(name) && p.fault == nil {
		p.fault = reject(codeNotImplemented, "not_implemented")
	}
}

func (p *params) number(name string) float64 {
	var v float64
	p.into(name, &v)
	return v
}

// integer reads a whole number, however it is written.
func (p *params) integer(name string) int64 {
	v := p.number(name)
	if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
		p.refuse(name, reasonType)
		return 0
	}
	return int64(v)
}

// choice reads one of some words; the first is the default.
func (p *params) choice(name string, words ...string) string {
	v := p.text(name)
	if v == "" {
		return words[0]
	}
	if !slices.Contains(words, v) {
		p.refuse(name, "unexpected value")
	}
	return v
}

// count reads how many results are wanted.
func (p *params) count(usual int) int {
	n := p.integer("count")
	switch {
	case !p.has("count"):
		return usual
	case n < 1 || n > maxCount:
		p.refuse("count", "must be between 1 and 1000")
		return 0
	}
	return int(n)
}

// instrument reads the name of an instrument, which is required.
func (p *params) instrument(m *Market) *instrument {
	name := p.need("instrument_name").text("instrument_name")
	in, ok := m.byName[name]
	switch {
	case ok || p.fault != nil:
	case !wellFormed(name):
		p.refuse("instrument_name", reasonWrongFormat)
	default:
		p.fault = reject(codeNotFound, "not_found")
	}
	return in
}

// label reads a label.
func (p *params) label() string {
	v := p.text("label")
	if len(v) > maxLabel {
		p.refuse("label", "must be at most 64 characters long")
	}
	return v
}

// Words for kinds and currencies.
var (
	kindWords     = []string{"", anyValue, kindFuture, kindOption, kindSpot, "future_combo", "option_combo", "combo"}
	currencyWords = append([]string{"", anyValue}, currencies...)
)

func (p *params) kind() string { return p.choice("kind", kindWords...) }

func (p *params) currency() string { return p.choice("currency", currencyWords...) }
