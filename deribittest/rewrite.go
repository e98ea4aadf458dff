package deribittest

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// replacer gives another value for a member of an object, or nil to have its value gone through as well.
type replacer func(name string, value json.RawMessage) json.RawMessage

var errNoJSON = errors.New("no JSON text")

// rewriteFrame copies a JSON text in its order, with what replace gives in the place of members.
func rewriteFrame(text []byte, replace replacer) (json.RawMessage, error) {
	if !json.Valid(text) {
		return nil, errNoJSON
	}
	return rewrite(bytes.TrimSpace(text), replace)
}

func rewrite(text json.RawMessage, replace replacer) (json.RawMessage, error) {
	if text[0] != '{' && text[0] != '[' {
		return text, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if _, err := dec.Token(); err != nil { // the opening brace
		return nil, err
	}
	next := rewriteElement
	if text[0] == '{' {
		next = rewriteMember
	}
	var parts [][]byte
	for dec.More() {
		part, err := next(dec, replace)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return slices.Concat(text[:1], bytes.Join(parts, []byte{','}), text[len(text)-1:]), nil
}

func rewriteElement(dec *json.Decoder, replace replacer) ([]byte, error) {
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	return rewrite(value, replace)
}

func rewriteMember(dec *json.Decoder, replace replacer) ([]byte, error) {
	name, err := dec.Token()
	if err != nil {
		return nil, err
	}
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	other := replace(name.(string), value) //nolint:errcheck,forcetypeassert // a member begins with its name
	if other == nil {
		if other, err = rewrite(value, replace); err != nil {
			return nil, err
		}
	}
	return slices.Concat(encode(name), []byte{':'}, other), nil
}
