package deribittest

import "cmp"

// forkToken is public/fork_token: a new named session out of a refresh token of another.
func (ex *exchange) forkToken(r *request) (any, *rpcError) {
	p, fault := decodeParams[struct {
		RefreshToken string `json:"refresh_token"`
		SessionName  string `json:"session_name"`
	}](r.params)
	if fault != nil {
		return nil, fault
	}
	g, fault := ex.refreshable(p.RefreshToken, r)
	if fault != nil {
		return nil, fault
	}
	if g.session == nil || p.SessionName == "" {
		return nil, newError(codeInvalidParams, "Invalid params")
	}
	asked := g.asked
	asked.session = p.SessionName
	return ex.mint(g.key, asked, r).result(r.now), nil
}

// exchangeToken is public/exchange_token: a token for another account, out of a refresh token. The double has no
// subaccounts with tokens of their own, so that it knows one subject: the account itself.
func (ex *exchange) exchangeToken(r *request) (any, *rpcError) {
	p, fault := decodeParams[struct {
		RefreshToken string `json:"refresh_token"`
		SubjectID    int64  `json:"subject_id"`
		Scope        string `json:"scope"`
	}](r.params)
	if fault != nil {
		return nil, fault
	}
	g, fault := ex.refreshable(p.RefreshToken, r)
	if fault != nil {
		return nil, fault
	}
	asked, fault := parseScopeRequest(p.Scope)
	if fault != nil {
		return nil, fault
	}
	if p.SubjectID != g.key.account {
		return nil, newError(codeNotFound, "not_found")
	}
	asked.levels = asked.levels.capped(g.asked.levels) // "cannot exceed caller's permissions"
	asked.ip = cmp.Or(g.asked.ip, asked.ip)
	if asked.session == "" {
		ex.kill(g)
	}
	return ex.mint(g.key, asked, r).result(r.now), nil
}
