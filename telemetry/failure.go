package telemetry

import (
	"errors"
	"net"
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/holdfast-ws/holdfast/rpc"
)

// failure is what may be told of an error. It is comparable: a key of the cache of measurement options.
type failure struct {
	id   string   // error.type, unless the server refused
	code rpc.Code // of the error object
	kind failureKind
}

type failureKind uint8

const (
	succeeded failureKind = iota
	failed
	refused // by the server, with an error object
)

// classify finds the failure that err is. It allocates nothing for the errors of calls.
func classify(err error) failure {
	if err == nil {
		return failure{}
	}
	if id, ok := lookUp(verdicts, err); ok {
		return failure{kind: failed, id: id}
	}
	if refusal, ok := errors.AsType[*rpc.Error](err); ok {
		return failure{kind: refused, code: refusal.Code}
	}
	return failure{kind: failed, id: identify(err)}
}

func identify(err error) string {
	if id, ok := lookUp(names, err); ok {
		return id
	}
	if typed, ok := errors.AsType[interface {
		error
		ErrorType() string
	}](err); ok && isIdentifier(typed.ErrorType()) {
		return typed.ErrorType()
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "timeout"
	}
	return other
}

// errorType is the value of error.type.
func (f failure) errorType() string {
	if f.kind == refused {
		return f.status()
	}
	return f.id
}

// status is the value of rpc.status_code.
func (f failure) status() string { return strconv.FormatInt(int64(f.code), 10) }

// attributes are those of a failure, on spans as on measurements.
func (f failure) attributes() []attribute.KeyValue {
	switch f.kind {
	case failed:
		return []attribute.KeyValue{keyErrorType.String(f.id)}
	case refused:
		return []attribute.KeyValue{keyErrorType.String(f.status()), keyRPCStatusCode.String(f.status())}
	case succeeded:
	}
	return nil
}

// describe is the description of a failed span. It never holds the text of an error: that may quote what it met.
func describe(err error, f failure) string {
	if refusal, ok := errors.AsType[*rpc.Error](err); ok && f.kind == refused {
		if isPlain(refusal.Message) {
			return refusal.Message
		}
		return ""
	}
	if unanswered, ok := errors.AsType[*rpc.CallError](err); ok {
		return f.id + ": " + unanswered.Outcome.String()
	}
	return f.id
}

const (
	maxMessage = 120
	maxWord    = 40 // the exchange's longest identifiers are shorter, its secrets and tokens longer
)

// isPlain reports whether a server's message is words and nothing else: it has no digit and no word of a secret's length.
func isPlain(message string) bool {
	word := 0
	for _, r := range message {
		switch {
		case r == ' ':
			word = 0
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == '-', r == '.', r == ',', r == ':', r == '/', r == '\'':
			word++
		default:
			return false
		}
		if word > maxWord {
			return false
		}
	}
	return len(message) <= maxMessage
}

// isIdentifier reports whether an error's own name for itself can be a label.
func isIdentifier(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.' {
			return false
		}
	}
	return s != "" && len(s) <= maxWord
}
