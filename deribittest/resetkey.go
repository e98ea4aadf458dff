package deribittest

import (
	"github.com/coder/websocket"
)

// resetKey is private/reset_api_key: the old secret is dead at once, the new one is in the reply and nowhere else. What else
// happens is Config.Reset's to say.
func (ex *exchange) resetKey(r *request, k *key, _ keyParams) (any, *rpcError) {
	if ex.cfg.SelfResetRefused && r.grant.key == k {
		return nil, newError(codeScopeExceeded, "scope_exceeded")
	}
	if k.public != nil { // it has no secret; what the exchange does is not documented
		return nil, newError(codeRequestFailed, "request_failed")
	}
	k.secret, k.failures = ex.newSecret(), 0
	profile := ex.cfg.Reset
	if profile.SubscriptionsDropped {
		ex.silence(k)
	}
	ex.logAccess(k.account, "reset_api_key", k.clientID, r)
	end := func() {
		if profile.TokensRevoked {
			ex.revoke(k)
		}
		if profile.Connections != ConnectionsKept {
			ex.closeConnections(k)
		}
	}
	if profile.Connections == ConnectionsClosedAfterReply {
		r.after = end
	} else {
		end()
	}
	return ex.object(k), nil
}

// silence ends the private and raw channels of the connections that a key authenticated.
func (ex *exchange) silence(k *key) {
	for _, c := range ex.conns {
		if c.grant != nil && c.grant.key == k {
			ex.dropAuthorised(c, k)
		}
	}
}

// closeConnections closes every connection that a key authenticated. What is queued for them is written first.
func (ex *exchange) closeConnections(k *key) {
	for _, c := range ex.conns {
		if c.grant != nil && c.grant.key == k {
			c.closeLater(websocket.StatusGoingAway, "api key reset")
		}
	}
}
