package deribittest

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest/internal/market"
)

// request is one call under way.
type request struct {
	message
	fields map[string]json.RawMessage // the parameters by name
	conn   *conn                      // nil over REST
	ip     string
	now    time.Time
	grant  *grant // the authority; nil for a public call of nobody
	after  func() // what has to wait until the reply is written
	ends   bool   // it is the connection's last
}

func (r *request) connID() uint64 {
	if r.conn == nil {
		return 0
	}
	return r.conn.id
}

// method is an entry of the method table.
type method struct {
	scope     string // needed functional scope, such as trade:read; empty for none
	websocket bool   // refused over REST
	gated     bool   // asks for the second factor
	required  []string
	call      func(*exchange, *request) (any, *rpcError)
}

// noReply is the result of a call that gets no answer.
type noReply struct{}

// methodTable holds every method: the server's own and the market's.
func methodTable(m *market.Market) map[string]method {
	table := map[string]method{
		"public/auth":           {required: []string{"grant_type"}, call: (*exchange).auth},
		"public/fork_token":     {required: []string{"refresh_token", "session_name"}, call: (*exchange).forkToken},
		"public/exchange_token": {required: []string{"refresh_token", "subject_id"}, call: (*exchange).exchangeToken},
		"private/logout":        {websocket: true, call: (*exchange).logout},

		"public/hello":             {websocket: true, required: []string{"client_name", "client_version"}, call: (*exchange).hello},
		"public/test":              {call: (*exchange).test},
		"public/get_time":          {call: (*exchange).getTime},
		"public/status":            {call: (*exchange).status},
		"public/set_heartbeat":     {websocket: true, required: []string{"interval"}, call: (*exchange).setHeartbeat},
		"public/disable_heartbeat": {websocket: true, call: (*exchange).disableHeartbeat},

		"private/enable_cancel_on_disconnect":  {scope: "account:read_write", call: (*exchange).enableCOD},
		"private/disable_cancel_on_disconnect": {scope: "account:read_write", call: (*exchange).disableCOD},
		"private/get_cancel_on_disconnect":     {scope: "account:read", call: (*exchange).getCOD},
		"private/get_access_log":               {scope: "account:read", call: (*exchange).getAccessLog},
		"private/get_user_locks":               {scope: "account:read", call: (*exchange).getUserLocks},
	}
	maps.Copy(table, keyMethods())
	maps.Copy(table, subscriptionMethods())
	for name, m := range m.Methods() {
		table[name] = marketMethod(m)
	}
	return table
}

func marketMethod(m market.Method) method {
	return method{scope: m.Scope, call: func(ex *exchange, r *request) (any, *rpcError) {
		caller := market.Caller{Conn: r.connID()}
		if r.grant != nil {
			caller.Account = r.grant.key.account
		}
		result, fault := m.Call(ex.market, caller, r.params, r.now)
		return result, fault
	}}
}

// serve has a request paid and calls its method, unless it is faulty already.
func (ex *exchange) serve(r *request, fault *rpcError) (any, *rpcError) {
	if fault == nil {
		r.fields, fault = decodeParams[map[string]json.RawMessage](r.params)
	}
	ex.noteParams(r)
	if refused := ex.charge(r); refused != nil {
		return nil, refused
	}
	if fault != nil {
		return nil, fault
	}
	defer ex.deliver()
	if r.conn != nil && r.method == "public/test" {
		r.conn.testDue = time.Time{} // whatever becomes of the call
	}
	return ex.call(r)
}

// call finds the method, the authority and the second factor, and runs it.
func (ex *exchange) call(r *request) (any, *rpcError) {
	m, ok := ex.methods[r.method]
	if !ok {
		return nil, unknown(r.method)
	}
	ex.stats.Calls[r.method]++
	if ex.platform.Maintenance {
		return nil, newError(codeMaintenance, "system_maintenance")
	}
	if m.websocket && r.conn == nil {
		return nil, newError(codeMustBeWebsocket, "must_be_websocket_request")
	}
	if fault := ex.authorise(m, r); fault != nil {
		return nil, fault
	}
	if fault := missing(m.required, r.fields); fault != nil {
		return nil, fault
	}
	if m.gated {
		if challenge, fault := ex.secondFactor(r); challenge != nil || fault != nil {
			return challenge, fault
		}
	}
	return m.call(ex, r)
}

// authorise finds the authority of a private call and holds it against the method's scope. A public call may have one too.
func (ex *exchange) authorise(m method, r *request) *rpcError {
	g, fault := ex.authority(r)
	if !strings.HasPrefix(r.method, "private/") {
		if g == nil && ex.platform.AuthenticatedOnly && r.method != "public/auth" {
			return newError(codeAuthenticatedOnly, "unauthenticated_public_requests_temporarily_disabled")
		}
		r.grant = g // nil without a good one
		return nil
	}
	if fault != nil {
		return fault
	}
	r.grant = g
	if m.scope == "" {
		return nil
	}
	if name, need, _ := parseLevel(m.scope); g.scope()[name] < need {
		return withReason(codeForbidden, "forbidden", "scope "+m.scope+" required", "scope")
	}
	return nil
}

// missing refuses a call without its required parameters: -32000 without any, -32602 without one.
func missing(names []string, given map[string]json.RawMessage) *rpcError {
	for _, name := range names {
		if len(given) == 0 {
			return withReason(codeMissingParams, "Missing params", reasonRequired, name)
		}
		if v, ok := given[name]; !ok || string(v) == "null" {
			return invalidParam(name, reasonRequired)
		}
	}
	return nil
}

// noteParams remembers the secrets that a client sent.
func (ex *exchange) noteParams(r *request) {
	for _, name := range [...]string{"client_secret", "signature", "access_token", "refresh_token", "authorization_data", "challenge"} {
		var text string
		if value, ok := r.fields[name]; ok && json.Unmarshal(value, &text) == nil {
			ex.noteSecret(text)
		}
	}
}

// handle serves one message of a WebSocket connection, or refuses it for the fault that it has already.
func (s *Server) handle(c *conn, data []byte, m message, fault *rpcError) {
	now := time.Now()
	if on := s.cfg.OnFrame; on != nil {
		on(Frame{Conn: c.id, Incoming: true, Method: m.method, Data: data})
	}
	s.locked(func(ex *exchange) {
		if !ex.arrived(c, now) || ex.lost(c, m.method) {
			return
		}
		r := &request{message: m, conn: c, ip: c.ip, now: now.Add(ex.skew)}
		c.isBehind = ex.chance(c)
		defer ex.followReply(c)
		result, fault := ex.serve(r, fault)
		if _, silent := result.(noReply); silent {
			return
		}
		ex.reply(c, outgoing{method: m.method, data: encodeReply(m.id, result, fault, r.now, ex.now()), after: r.after})
		r.end()
	})
}

// arrived notes a message of a connection, and reports whether it is still served.
func (ex *exchange) arrived(c *conn, now time.Time) bool {
	if c.gone || c.closing != 0 {
		return false
	}
	ex.stats.FramesIn++
	c.lastIn = now
	return true
}
