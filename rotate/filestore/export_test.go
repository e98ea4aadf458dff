package filestore

import "github.com/holdfast-ws/holdfast/rotate"

// SetFault has fn called before each step of a Save; its error is the step's.
func SetFault(s *Store, fn func(point string) error) { s.fault = fn }

// Encode and Decode are the file's format.
func Encode(r rotate.Record) ([]byte, error) { return encode(r) }

// Decode is the inverse of Encode.
func Decode(text []byte) (rotate.Record, error) { return decode(text) }
