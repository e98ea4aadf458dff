package rpc

import "encoding/json"

// A Codec encodes params and decodes results. The zero Codec is encoding/json.
type Codec struct {
	// Marshal returns the JSON of params, which must be an object or an array.
	Marshal func(v any) ([]byte, error)
	// Unmarshal decodes a result. It must not keep data.
	Unmarshal func(data []byte, v any) error
}

func (c Codec) withDefaults() Codec {
	if c.Marshal == nil {
		c.Marshal = json.Marshal
	}
	if c.Unmarshal == nil {
		c.Unmarshal = json.Unmarshal
	}
	return c
}

// An Appender encodes itself onto the end of dst, without reflection and without allocating. Params that implement it
// bypass the Codec.
type Appender interface {
	AppendJSON(dst []byte) ([]byte, error)
}
