package wsdial

import "fmt"

// closedError is the end of a connection that the peer closed with a close frame.
type closedError struct {
	code int
	err  error // the library's
}

// Error returns the code and the peer's reason.
func (e *closedError) Error() string {
	return fmt.Sprintf("closed by peer with code %d: %v", e.code, e.err)
}

// Unwrap returns the library's error.
func (e *closedError) Unwrap() error { return e.err }

// ErrorType is the low-cardinality name of the error for telemetry. The codes that libraries and applications may
// choose for themselves are one name each.
func (e *closedError) ErrorType() string {
	if e.code >= 3000 {
		return fmt.Sprintf("close_%dxxx", e.code/1000)
	}
	return fmt.Sprintf("close_%d", e.code)
}
