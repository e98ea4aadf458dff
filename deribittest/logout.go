package deribittest

import "github.com/coder/websocket"

// logout is private/logout: no reply, the connection closes at once, and cancel on disconnect does not fire.
func (ex *exchange) logout(r *request) (any, *rpcError) {
	p, fault := decodeParams[struct {
		Invalidate *bool `json:"invalidate_token"`
	}](r.params)
	if fault != nil {
		return nil, fault
	}
	g := r.grant
	if p.Invalidate == nil || *p.Invalidate {
		ex.kill(g)
		if g.session != nil {
			ex.endSession(g.key, g.session)
		}
	}
	r.conn.cod = false
	r.conn.closeLater(websocket.StatusNormalClosure, "logout")
	return noReply{}, nil
}
