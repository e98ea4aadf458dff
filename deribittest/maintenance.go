package deribittest

// maintenanceFrame is the error that the exchange sends without an id.
const maintenanceFrame = `{"jsonrpc":"2.0","error":{"message":"system_maintenance","code":11051}}`

// MaintenanceNotice sends the error 11051 without an id to every WebSocket connection, and tells the subscribers of
// platform_state, as the exchange does when maintenance begins. Nothing else changes; see SetPlatform.
func (s *Server) MaintenanceNotice() {
	s.locked(func(ex *exchange) { ex.announceMaintenance() })
}

// Platform is the state of the exchange as a whole. The zero value is that of every day.
type Platform struct {
	// Maintenance refuses every call with 11051 and every WebSocket handshake with HTTP 503, and the market stands still. Heartbeats go
	// on. When it begins everybody is told as by MaintenanceNotice; of its end nobody is: no text says so.
	Maintenance bool
	// AuthenticatedOnly refuses public calls without authentication with 11056, but for public/auth. The subscribers of
	// platform_state.public_methods_state are told when it begins and ends.
	AuthenticatedOnly bool
}

// SetPlatform changes the state of the exchange. Connections stay open, unless CutConnections follows.
func (s *Server) SetPlatform(p Platform) {
	s.locked(func(ex *exchange) {
		was := ex.platform
		ex.platform = p
		if p.Maintenance && !was.Maintenance {
			ex.announceMaintenance()
		}
		if p.AuthenticatedOnly != was.AuthenticatedOnly {
			ex.publish(subKey{channel: "platform_state.public_methods_state"}, encode(struct {
				Allowed bool `json:"allow_unauthenticated_public_requests"`
			}{!p.AuthenticatedOnly}))
		}
	})
}

func (ex *exchange) announceMaintenance() {
	for _, c := range ex.befallen(0) {
		c.push(outgoing{data: []byte(maintenanceFrame)})
	}
	ex.publish(subKey{channel: "platform_state"}, []byte(`{"maintenance":true}`))
}
