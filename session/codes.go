package session

import "github.com/holdfast-ws/holdfast/rpc"

// Error codes of the exchange that a session acts on. Source: the complete table of the exchange's page on errors; the
// shorter table at the top of that page contradicts it and is not used.
const (
	CodeAuthorizationRequired rpc.Code = 10000
	CodeTooManyRequests       rpc.Code = 10028
	CodeRetry                 rpc.Code = 10040
	CodeSettlement            rpc.Code = 10041
	CodeQueueFull             rpc.Code = 10047
	CodeTooManyConcurrent     rpc.Code = 10066
	CodeMaintenance           rpc.Code = 11051
	CodeUnauthenticatedPublic rpc.Code = 11056
	CodeLoginOverLimit        rpc.Code = 12003
	CodeSecurityKeyOverLimit  rpc.Code = 12998
	CodeInvalidCredentials    rpc.Code = 13004
	CodeUnauthorized          rpc.Code = 13009
	CodeForbidden             rpc.Code = 13021
	CodeSwitchedOff           rpc.Code = 13025
	CodeUnavailable           rpc.Code = 13028
	CodeQuotesFrozen          rpc.Code = 13043
	CodeScopeExceeded         rpc.Code = 13403
	CodeSecurityKey           rpc.Code = 13668
	CodeRawNeedsAuth          rpc.Code = 13778
	CodeTimedOut              rpc.Code = 13888
)

// classify judges the exchange's codes. A code counts as not executed only where the documents, or the nature of the
// refusal, leave no doubt: authority, format and admission are checked before the request acts.
func classify(c rpc.Code) rpc.Verdict {
	switch c {
	case CodeAuthorizationRequired, CodeUnauthorized, CodeUnauthenticatedPublic, CodeRawNeedsAuth:
		return rpc.Verdict{Class: rpc.ClassReauthenticate, NotExecuted: true}
	case CodeLoginOverLimit, CodeInvalidCredentials:
		return rpc.Verdict{Class: rpc.ClassStop, NotExecuted: true}
	case CodeTooManyRequests, CodeQueueFull, CodeTooManyConcurrent, CodeMaintenance, CodeSettlement, CodeSwitchedOff:
		return rpc.Verdict{Class: rpc.ClassRetry, NotExecuted: true}
	case CodeRetry, CodeUnavailable, CodeSecurityKeyOverLimit, CodeQuotesFrozen:
		return rpc.Verdict{Class: rpc.ClassRetry}
	case rpc.CodeInternal:
		return rpc.Verdict{Class: rpc.ClassPermanent}
	case CodeForbidden, CodeScopeExceeded, CodeSecurityKey, CodeTimedOut,
		rpc.CodeParse, rpc.CodeInvalidRequest, rpc.CodeMethodNotFound, rpc.CodeInvalidParams:
		return rpc.Verdict{Class: rpc.ClassPermanent, NotExecuted: true}
	}
	return rpc.Verdict{Class: rpc.ClassPermanent}
}
