package deribittest

// maintenanceFrame is the error that the exchange sends without an id.
const maintenanceFrame = `{"jsonrpc":"2.0","error":{"message":"system_maintenance","code":11051}}`

// MaintenanceNotice sends the error 11051 without an id to every WebSocket connection, and tells the subscribers of
// platform_state, as the exchange does when maintenance begins. Nothing else changes; see SetMaintenance.
func (s *Server) MaintenanceNotice() {
	s.locked(func(ex *exchange) { ex.announceMaintenance() })
}

// SetMaintenance begins and ends maintenance. When it begins, everybody is told as by MaintenanceNotice. While it lasts every call
// is refused with 11051, WebSocket handshakes get HTTP 503, and the market stands still; heartbeats go on. Connections stay open,
// unless CutConnections follows. Of its end nobody is told: no text says so.
func (s *Server) SetMaintenance(on bool) {
	s.locked(func(ex *exchange) {
		if on && !ex.maintenance {
			ex.announceMaintenance()
		}
		ex.maintenance = on
	})
}

func (ex *exchange) announceMaintenance() {
	for _, c := range ex.befallen(0) {
		c.push(outgoing{data: []byte(maintenanceFrame)})
	}
	ex.publish(subKey{channel: "platform_state"}, []byte(`{"maintenance":true}`))
}

// SetUnauthenticated allows public calls without authentication, as at the beginning, or has them refused with 11056; public/auth
// is served in any case. The subscribers of platform_state.public_methods_state are told of a change.
func (s *Server) SetUnauthenticated(allowed bool) {
	s.locked(func(ex *exchange) {
		if ex.membersOnly != allowed {
			return
		}
		ex.membersOnly = !allowed
		state := struct {
			Allowed bool `json:"allow_unauthenticated_public_requests"`
		}{allowed}
		ex.publish(subKey{channel: "platform_state.public_methods_state"}, encode(state))
	})
}

// platform is the state of the exchange as a whole.
type platform struct {
	maintenance bool
	membersOnly bool // public calls need authentication
}
