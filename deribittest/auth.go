package deribittest

import (
	"crypto/subtle"
	"encoding/json"
	"slices"
	"time"
)

// signatureWindow is how long the timestamp of a signature is good.
const signatureWindow = 60 * time.Second

// millis is a time in milliseconds, given as a number or as a string: clients in use send both.
type millis string

// UnmarshalJSON takes an integer, or a string of one.
func (m *millis) UnmarshalJSON(text []byte) error {
	var n json.Number
	if err := json.Unmarshal(text, &n); err != nil {
		return &json.UnmarshalTypeError{Value: "timestamp"}
	}
	*m = millis(n)
	return nil
}

type authParams struct {
	GrantType    string `json:"grant_type"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`
	Timestamp    millis `json:"timestamp"`
	Signature    string `json:"signature"`
	Nonce        string `json:"nonce"`
	Data         string `json:"data"`
	State        string `json:"state"`
	Scope        string `json:"scope"`
}

// authResult is the result of public/auth, fork_token and exchange_token.
type authResult struct {
	AccessToken  string   `json:"access_token"`
	ExpiresIn    int64    `json:"expires_in"`
	RefreshToken string   `json:"refresh_token"`
	Scope        string   `json:"scope"`
	TokenType    string   `json:"token_type"`
	Features     []string `json:"enabled_features"`
	State        string   `json:"state,omitempty"`
	SID          string   `json:"sid,omitempty"`
}

func (g *grant) result(now time.Time) authResult {
	r := authResult{
		AccessToken: g.access, RefreshToken: g.refresh, TokenType: "bearer",
		ExpiresIn: int64(g.expires.Sub(now).Seconds()), Scope: g.scopeText(), Features: g.key.features,
	}
	if g.session != nil {
		r.SID = g.session.sid
	}
	return r
}

// auth is public/auth.
func (ex *exchange) auth(r *request) (any, *rpcError) {
	p, fault := decodeParams[authParams](r.params)
	if fault != nil {
		return nil, fault
	}
	asked, fault := parseScopeRequest(p.Scope)
	if fault != nil {
		return nil, fault
	}
	var g *grant
	if p.GrantType == "refresh_token" {
		g, fault = ex.refresh(p, r)
	} else {
		g, fault = ex.login(p, asked, r)
	}
	if fault != nil {
		ex.stats.AuthFailures++
		if r.conn != nil && ex.cfg.FailedAuthDeauthenticates {
			r.conn.grant = nil
		}
		return nil, fault
	}
	ex.stats.Authentications++
	ex.authenticated(g, r)
	result := g.result(r.now)
	result.State = p.State
	return result, nil
}

// login serves the two grants that prove possession of a key.
func (ex *exchange) login(p authParams, asked scopeRequest, r *request) (*grant, *rpcError) {
	if r.conn != nil && ex.cfg.ReauthRefused && ex.usable(r.conn.grant, r) == nil {
		return nil, newError(codeRequestFailed, "request_failed")
	}
	k := ex.clients[p.ClientID]
	if fault := ex.prove(k, p, r); fault != nil {
		if k != nil && (fault.Code == codeInvalidCredentials || fault.Code == ex.cfg.BadSignatureCode) {
			k.failures++
			ex.logAccess(k.account, "failure", k.clientID, r)
		}
		return nil, fault
	}
	k.failures = 0
	g := ex.mint(k, asked, r)
	ex.logAccess(k.account, "success", nil, r)
	return g, nil
}

// prove checks the credentials of a login.
func (ex *exchange) prove(k *key, p authParams, r *request) *rpcError {
	if k != nil && ex.cfg.LoginFailures > 0 && k.failures >= ex.cfg.LoginFailures {
		return newError(codeLoginOverLimit, "login_over_limit")
	}
	switch p.GrantType {
	case "client_credentials":
		if fault := required(map[string]string{"client_id": p.ClientID, "client_secret": p.ClientSecret}); fault != nil {
			return fault
		}
		if !k.usableFrom(r.ip) || k.public != nil || subtle.ConstantTimeCompare([]byte(k.secret), []byte(p.ClientSecret)) == 0 {
			return newError(codeInvalidCredentials, "invalid_credentials")
		}
		return nil
	case "client_signature":
		if fault := checkSignatureParams(p); fault != nil {
			return fault
		}
		signed := string(p.Timestamp) + "\n" + p.Nonce + "\n" + p.Data
		if !k.usableFrom(r.ip) || !k.verify(signature{string(p.Timestamp), p.Nonce, signed, p.Signature}, r.now) {
			return ex.badSignature()
		}
		return nil
	case "":
		return invalidParam("grant_type", reasonRequired)
	default:
		return invalidParam("grant_type", "invalid value")
	}
}

func (ex *exchange) badSignature() *rpcError {
	switch code := ex.cfg.BadSignatureCode; code {
	case codeUnauthorized:
		return unauthorized()
	case codeAuthorizationRequired:
		return authorizationRequired()
	default:
		return newError(code, "invalid_credentials")
	}
}

// required refuses the first empty value, in the order of names.
func required(values map[string]string) *rpcError {
	missing := ""
	for name, v := range values {
		if v == "" && (missing == "" || name < missing) {
			missing = name
		}
	}
	if missing != "" {
		return invalidParam(missing, reasonRequired)
	}
	return nil
}

// refresh serves the refresh_token grant. A connection's refresh ends the tokens it replaces; a session's ends the old
// refresh token alone.
func (ex *exchange) refresh(p authParams, r *request) (*grant, *rpcError) {
	if fault := required(map[string]string{"refresh_token": p.RefreshToken}); fault != nil {
		return nil, fault
	}
	old, fault := ex.refreshable(p.RefreshToken, r)
	if fault != nil {
		return nil, fault
	}
	if old.session == nil {
		ex.kill(old)
	}
	return ex.mint(old.key, old.asked, r), nil
}

// refreshable finds the grant of a refresh token that is still good on this connection.
func (ex *exchange) refreshable(token string, r *request) (*grant, *rpcError) {
	g := ex.tokens[token]
	if g == nil || g.refresh != token || !r.now.Before(g.expires) {
		return nil, newError(codeInvalidParams, "Invalid params")
	}
	return g, ex.usable(g, r)
}

// authenticated makes a connection remember its new authority.
func (ex *exchange) authenticated(g *grant, r *request) {
	c := r.conn
	if c == nil {
		return
	}
	if c.gone { // dropped by the message about this login in user.access_log
		if g.session == nil {
			ex.kill(g)
		}
		return
	}
	if c.grant != nil && ex.cfg.ReauthDropsPrivate {
		ex.dropAuthorised(c, c.grant.key)
	}
	c.grants = append(slices.DeleteFunc(c.grants, func(old *grant) bool { return old.dead }), g)
	c.grant = g
	ex.begin(c, g.key.account)
}

// begin has a connection begin with an account's cancel on disconnect, when it first has authority for the account.
func (ex *exchange) begin(c *conn, account int64) {
	if slices.Contains(c.accounts, account) {
		return
	}
	c.accounts = append(c.accounts, account)
	c.cod = c.cod || ex.account(account).cod
}
