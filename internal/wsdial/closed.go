package wsdial

import "fmt"

// closedError is the end of a connection that the peer closed with a close frame.
type closedError struct {
	code int
	err  error // the library's, or the peer's reason
}

// Closed is the end of a connection that the peer closed with a close frame of that code; err says more. It has a method
// ErrorType for telemetry.
func Closed(code int, err error) error { return &closedError{code: code, err: err} }

// Error returns the code and the peer's reason.
func (e *closedError) Error() string {
	return fmt.Sprintf("closed by peer with code %d: %v", e.code, e.err)
}

// Unwrap returns what there is besides the code.
func (e *closedError) Unwrap() error { return e.err }

// ErrorType is the low-cardinality name of the error for telemetry. The codes that libraries and applications may
// choose for themselves are one name each.
func (e *closedError) ErrorType() string {
	if e.code >= 3000 {
		return fmt.Sprintf("close_%dxxx", e.code/1000)
	}
	return fmt.Sprintf("close_%d", e.code)
}
