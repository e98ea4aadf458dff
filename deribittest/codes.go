package deribittest

import "github.com/holdfast-ws/holdfast/deribittest/internal/market"

// Error codes that the server itself gives; the market has its own. Source: the exchange's complete table of errors, and
// its page on security keys for 13668.
const (
	codeParse                 = -32700
	codeTooLarge              = -32600
	codeMethodNotFound        = -32601
	codeInvalidParams         = -32602
	codeMissingParams         = -32000
	codeAuthorizationRequired = 10000
	codeError                 = 10001
	codeTooManyRequests       = 10028
	codeMustBeWebsocket       = 10030
	codeNotImplemented        = 10033
	codeBadRequest            = 11050
	codeMaintenance           = 11051
	codeAuthenticatedOnly     = 11056
	codeLoginOverLimit        = 12003
	codeInvalidCredentials    = 13004
	codeRequestFailed         = 13008
	codeUnauthorized          = 13009
	codeNotFound              = 13020
	codeForbidden             = 13021
	codeScopeExceeded         = 13403
	codeSecurityKey           = 13668
	codeRawUnauthorized       = 13778
)

// rpcError is the error of a reply.
type rpcError = market.Error

func newError(code int, message string) *rpcError { return &rpcError{Code: code, Message: message} }

func withReason(code int, message, reason, param string) *rpcError {
	return &rpcError{Code: code, Message: message, Data: map[string]any{"reason": reason, "param": param}}
}

func invalidParam(param, reason string) *rpcError {
	return withReason(codeInvalidParams, "Invalid params", reason, param)
}

func badRequest(param, reason string) *rpcError {
	return withReason(codeBadRequest, "bad_request", reason, param)
}

func unauthorized() *rpcError { return newError(codeUnauthorized, "unauthorized") }

func authorizationRequired() *rpcError {
	return newError(codeAuthorizationRequired, "authorization_required")
}
