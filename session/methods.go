package session

import (
	"strings"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Methods that the session itself calls.
const (
	methodAuth         = "public/auth"
	methodTest         = "public/test"
	methodTime         = "public/get_time"
	methodSetHeartbeat = "public/set_heartbeat"
	methodEnableCOD    = "private/enable_cancel_on_disconnect"
	methodGetCOD       = "private/get_cancel_on_disconnect"
	methodLogout       = "private/logout"
	methodSummary      = "private/get_account_summary"

	methodSubscribePublic    = "public/subscribe"
	methodSubscribePrivate   = "private/subscribe"
	methodUnsubscribePublic  = "public/unsubscribe"
	methodUnsubscribePrivate = "private/unsubscribe"
)

// lanes says which frames overtake which. What is not listed is a read, or found by its prefix in laneOf.
var lanes = map[string]rpc.Lane{
	methodAuth:                             rpc.LaneControl,
	methodTest:                             rpc.LaneControl,
	methodSetHeartbeat:                     rpc.LaneControl,
	methodLogout:                           rpc.LaneControl,
	methodEnableCOD:                        rpc.LaneControl,
	methodGetCOD:                           rpc.LaneControl,
	"private/disable_cancel_on_disconnect": rpc.LaneControl,
	"private/reset_api_key":                rpc.LaneControl,
	"private/buy":                          rpc.LaneOrder,
	"private/sell":                         rpc.LaneOrder,
	"private/close_position":               rpc.LaneOrder,
	"private/mass_quote":                   rpc.LaneOrder,
	methodSubscribePublic:                  rpc.LaneSubscribe,
	methodSubscribePrivate:                 rpc.LaneSubscribe,
	methodUnsubscribePublic:                rpc.LaneSubscribe,
	methodUnsubscribePrivate:               rpc.LaneSubscribe,
}

// laneOf is the lane of a method: what Config.Lanes says, else the table, else what its name tells.
func (c Config) laneOf(method string) rpc.Lane {
	if lane, ok := c.Lanes[method]; ok {
		return lane
	}
	if lane, ok := lanes[method]; ok {
		return lane
	}
	switch {
	case strings.HasPrefix(method, "private/cancel"):
		return rpc.LaneCancel
	case strings.HasPrefix(method, "private/edit") && !strings.HasSuffix(method, "_api_key"):
		return rpc.LaneOrder
	}
	return rpc.LaneRead
}

// sensitive reports whether a method's frames carry secrets: every method that returns a key can return its secret.
func sensitive(method string) bool {
	switch method {
	case methodAuth, "public/fork_token", "public/exchange_token", methodLogout:
		return true
	}
	return strings.Contains(method, "api_key")
}

// longestAnswer is what a session takes for an answer to what it asks for itself, in bytes. The longest that is in order is the echo
// of a subscribe, whose names fit into a frame; a list of millions of names would take many times its length.
const longestAnswer = 128 << 10

// maxResult bounds the answers to what a session asks for itself.
func maxResult(method string) int {
	switch method {
	case methodAuth, methodTest, methodTime, methodSetHeartbeat, methodEnableCOD, methodGetCOD, methodLogout, methodSummary,
		methodSubscribePublic, methodSubscribePrivate, methodUnsubscribePublic, methodUnsubscribePrivate:
		return longestAnswer
	}
	return 0
}
