package wirepeer

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"strconv"
)

const answerHead = `{"jsonrpc":"2.0","id":`

var (
	grant = answerRest([]byte(`{"access_token":"1791208330130.1GABaZ9T.wirepeer","expires_in":31536000,"refresh_token":"1791208330130.1Mqkvt3s.wirepeer",` +
		`"scope":"connection mainaccount account:read_write block_rfq:read_write block_trade:read_write custody:read_write ` +
		`trade:read_write wallet:read_write","token_type":"bearer"}`))
	ok    = answerRest([]byte(`"ok"`))
	codOn = answerRest([]byte(`{"scope":"connection","enabled":true}`))
)

// orderResult is the result of an order in its usual shape, about 300 bytes.
func orderResult() []byte { return order("market-maker-7") }

func order(label string) []byte {
	return fmt.Appendf(nil, `{"order":{"order_id":"ETH-349249","order_state":"open","order_type":"limit","instrument_name":"ETH-PERPETUAL",`+
		`"direction":"buy","price":2541.35,"amount":40.0,"filled_amount":0.0,"average_price":0.0,"time_in_force":"good_til_cancelled",`+
		`"creation_timestamp":1791208330130,"label":%q},"trades":[]}`, label)
}

// resultOf is a result of size bytes, at least 2: an order with a long label, or a string where that is too long.
func resultOf(size int) []byte {
	if least := len(order("")); size >= least {
		return order(string(bytes.Repeat([]byte{'x'}, size-least)))
	}
	return fmt.Appendf(nil, "%q", bytes.Repeat([]byte{'x'}, max(0, size-len(`""`))))
}

// serveRequest answers one request.
func (c *client) serveRequest(msg []byte) error {
	id, method, err := scanRequest(msg)
	if err != nil {
		return err
	}
	switch string(method) {
	case "public/auth":
		c.answer(id, grant)
	case "private/logout":
		c.out = append(appendHeader(c.out, opClose, 2), 1000>>8, 1000&0xff)
		return io.EOF
	case "public/subscribe", "private/subscribe":
		return c.subscribe(id, msg, c.book.add)
	case "public/unsubscribe", "private/unsubscribe":
		return c.subscribe(id, msg, c.book.remove)
	case "public/stream":
		return c.stream(id, msg)
	case "public/set_heartbeat":
		c.answer(id, ok)
	case "private/get_cancel_on_disconnect":
		c.answer(id, codOn)
	default:
		c.answer(id, c.rest)
	}
	return nil
}

// answerRest is an answer from its id on.
func answerRest(result []byte) []byte {
	return fmt.Appendf(nil, `,"result":%s,"usIn":1791208330130291,"usOut":1791208330130338,"usDiff":47,"testnet":false}`, result)
}

func (c *client) answer(id, rest []byte) {
	c.out = appendHeader(c.out, opText, len(answerHead)+len(id)+len(rest))
	c.out = append(c.out, answerHead...)
	c.out = append(c.out, id...)
	c.out = append(c.out, rest...)
}

// subscribe answers with the channels of the request, of which note is told.
func (c *client) subscribe(id, msg []byte, note func(names iter.Seq[[]byte])) error {
	channels := member(member(msg, "params"), "channels")
	if channels == nil {
		return errRequest
	}
	note(names(channels))
	c.answer(id, answerRest(channels))
	return nil
}

func (c *client) stream(id, msg []byte) error {
	params := member(msg, "params")
	count, err := strconv.Atoi(string(member(params, "count")))
	if err != nil {
		return err
	}
	channels, err := c.book.pick(member(params, "channels"))
	if err != nil {
		return err
	}
	c.answer(id, ok)
	if err := c.flush(); err != nil {
		return err
	}
	return c.book.stream(c.conn, channels, count)
}
