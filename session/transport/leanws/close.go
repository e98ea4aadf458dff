package leanws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
	"github.com/holdfast-ws/holdfast/rpc"
)

// Codes of close frames; RFC 6455, section 7.4, and the registry that it opened.
const (
	codeNormal       = 1000
	codeProtocol     = 1002
	codeUnsupported  = 1003
	codeNone         = 1005 // stands for a close frame without a code, and is never sent
	codeNotUTF8      = 1007
	codeTooBig       = 1009
	codeLastStandard = 1014
)

// violation is an error that the peer is told by a close frame of that code.
type violation struct {
	code uint16
	err  error
}

// Error returns the reason.
func (v *violation) Error() string { return v.err.Error() }

// Unwrap returns the reason.
func (v *violation) Unwrap() error { return v.err }

func violates(code uint16, why string) error { return &violation{code: code, err: errors.New(why)} }

var (
	errReserved = violates(codeProtocol, "protocol violation: reserved bit set, though no extension was agreed")
	errMasked   = violates(codeProtocol, "protocol violation: server's frame is masked")
	errLength   = violates(codeProtocol, "protocol violation: length is negative or not in its shortest form")
	errOpcode   = violates(codeProtocol, "protocol violation: reserved opcode")
	errControl  = violates(codeProtocol, "protocol violation: control frame is fragmented or longer than 125 bytes")
	errFragment = violates(codeProtocol, "protocol violation: fragment is out of place")
	errClose    = violates(codeProtocol, "protocol violation: close frame has no valid code")
	errNotUTF8  = violates(codeNotUTF8, "text is not UTF-8")
	errBinary   = &violation{code: codeUnsupported, err: fmt.Errorf("%w: binary message", rpc.ErrMalformed)}
)

// closedByPeer is the error for the close frame with that payload.
func closedByPeer(payload []byte) error {
	if len(payload) == 0 {
		return &violation{code: codeNone, err: wsdial.Closed(codeNone, errors.New("no code"))}
	}
	if len(payload) == 1 {
		return errClose
	}
	code, reason := binary.BigEndian.Uint16(payload), payload[2:]
	switch {
	case !validCode(code):
		return errClose
	case !utf8.Valid(reason):
		return errNotUTF8
	}
	return &violation{code: code, err: wsdial.Closed(int(code), fmt.Errorf("reason %q", reason))}
}

// validCode reports whether a close frame may carry the code.
func validCode(code uint16) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code < codeNormal || code > codeLastStandard:
		return false
	}
	return code != 1004 && code != codeNone && code != 1006 // which are never sent
}

// closeCode is the code that the peer is told about err, or 0 if there is nothing to tell, or nobody.
func closeCode(err error) uint16 {
	if v, ok := errors.AsType[*violation](err); ok {
		return v.code
	}
	return 0
}
