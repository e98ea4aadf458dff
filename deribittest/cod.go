package deribittest

// codParams are the parameters of the cancel-on-disconnect methods.
type codParams struct {
	Scope string `json:"scope"`
}

// codScope reads the scope, connection when absent; that one exists on a WebSocket only.
func codScope(r *request) (string, *rpcError) {
	p, fault := decodeParams[codParams](r.params)
	if fault != nil {
		return "", fault
	}
	switch p.Scope {
	case "", "connection":
		if r.conn == nil {
			return "", newError(codeMustBeWebsocket, "must_be_websocket_request")
		}
		return "connection", nil
	case "account":
		return p.Scope, nil
	}
	return "", invalidParam("scope", "invalid value")
}

// enableCOD is private/enable_cancel_on_disconnect. Account scope covers this connection and every later one.
func (ex *exchange) enableCOD(r *request) (any, *rpcError) {
	scope, fault := codScope(r)
	if fault != nil {
		return nil, fault
	}
	if scope == "account" {
		ex.account(r.grant.key.account).cod = true
	}
	if r.conn != nil {
		r.conn.cod = true
	}
	return "ok", nil
}

// disableCOD is private/disable_cancel_on_disconnect.
func (ex *exchange) disableCOD(r *request) (any, *rpcError) {
	scope, fault := codScope(r)
	if fault != nil {
		return nil, fault
	}
	if scope == "account" {
		ex.account(r.grant.key.account).cod = false
	}
	if r.conn != nil {
		r.conn.cod = false
	}
	return "ok", nil
}

// getCOD is private/get_cancel_on_disconnect.
func (ex *exchange) getCOD(r *request) (any, *rpcError) {
	scope, fault := codScope(r)
	if fault != nil {
		return nil, fault
	}
	enabled := ex.account(r.grant.key.account).cod
	if scope == "connection" {
		enabled = r.conn.cod
	}
	return struct {
		Scope   string `json:"scope"`
		Enabled bool   `json:"enabled"`
	}{scope, enabled}, nil
}
