package deribittest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSessions is how many named sessions a key may have; one more evicts the one refreshed longest ago.
const maxSessions = 16

// grant is one pair of an access token and a refresh token.
type grant struct {
	key             *key
	conn            uint64   // the connection that got it; 0 is REST
	session         *session // nil: connection scope, usable on conn alone
	asked           scopeRequest
	access, refresh string
	expires         time.Time
	dead            bool
}

// session is a named session of a key, shared by connections.
type session struct {
	name, sid string
	touched   int64 // order of the last grant
	grants    []*grant
}

// scope returns what the grant allows now: the key's scope may have changed since it was made.
func (g *grant) scope() scope { return g.key.scope.narrow(g.asked.levels) }

// scopeText returns the scope as public/auth answers it.
func (g *grant) scopeText() string {
	items := []string{"connection"}
	if g.session != nil {
		items[0] = "session:" + g.session.name
	}
	items = append(items, "mainaccount")
	items = append(items, g.scope().items()...)
	if g.asked.life > 0 {
		items = append(items, fmt.Sprintf("expires:%d", int64(g.asked.life.Seconds())))
	}
	if g.key.name != "" {
		items = append(items, "name:"+g.key.name)
	}
	return strings.Join(items, " ")
}

// expiredKept is how long an expired token is known as one; after that it is one that never was. Not documented.
const expiredKept = time.Hour

// mint makes a grant. In a named session it ends the refresh tokens given before in it.
func (ex *exchange) mint(k *key, asked scopeRequest, r *request) *grant {
	life := cmp.Or(asked.life, ex.cfg.TokenLife)
	g := &grant{key: k, conn: r.connID(), asked: asked, expires: r.now.Add(life)}
	g.access, g.refresh = ex.token(g.expires), ex.token(g.expires)
	ex.tokens[g.access], ex.tokens[g.refresh] = g, g
	if asked.session != "" {
		g.session = ex.join(k, asked.session, r.now)
		for _, old := range g.session.grants {
			delete(ex.tokens, old.refresh)
		}
		g.session.grants = append(slices.DeleteFunc(g.session.grants, func(old *grant) bool { return old.dead }), g)
	}
	k.grants = append(ex.known(k.grants, r.now), g)
	return g
}

// known returns the grants that are not dead, without those that expired long ago.
func (ex *exchange) known(grants []*grant, now time.Time) []*grant {
	return slices.DeleteFunc(grants, func(g *grant) bool {
		if now.Sub(g.expires) > expiredKept {
			ex.kill(g)
		}
		return g.dead
	})
}

// token returns a new token, in the form that published examples have.
func (ex *exchange) token(expires time.Time) string {
	t := strconv.FormatInt(expires.UnixMilli(), 10) + "." + ex.random(8) + "." + ex.random(64)
	ex.noteSecret(t)
	return t
}

// join returns the named session of a key, made if need be.
func (ex *exchange) join(k *key, name string, now time.Time) *session {
	ex.lastSID++
	s := k.sessions[name]
	if s == nil {
		ex.endExpired(k, now)
		if len(k.sessions) >= maxSessions {
			ex.evict(k)
		}
		s = &session{name: name, sid: strconv.FormatInt(ex.lastSID, 10)}
		k.sessions[name] = s
	}
	s.touched = ex.lastSID
	return s
}

// endExpired frees the places of the sessions of which no token is good any more.
func (ex *exchange) endExpired(k *key, now time.Time) {
	for name, s := range k.sessions {
		if !slices.ContainsFunc(s.grants, func(g *grant) bool { return !g.dead && now.Before(g.expires) }) {
			delete(k.sessions, name)
		}
	}
}

func (ex *exchange) evict(k *key) {
	var oldest *session
	for _, s := range k.sessions {
		if oldest == nil || s.touched < oldest.touched {
			oldest = s
		}
	}
	ex.stats.Evicted++
	ex.endSession(k, oldest)
}

func (ex *exchange) endSession(k *key, s *session) {
	for _, g := range s.grants {
		ex.kill(g)
	}
	delete(k.sessions, s.name)
}

// kill ends both tokens of a grant.
func (ex *exchange) kill(g *grant) {
	g.dead = true
	delete(ex.tokens, g.access)
	delete(ex.tokens, g.refresh)
}

// revoke ends every token minted from a key.
func (ex *exchange) revoke(k *key) {
	for _, g := range k.grants {
		ex.kill(g)
	}
	k.grants = nil
	clear(k.sessions)
}

// authority returns the grant under which a request is made: the one of its access_token, else of its HTTP credentials,
// else of its connection. The error is 13009, or that of Config.AuthorizationRequired.
func (ex *exchange) authority(r *request) (*grant, *rpcError) {
	var token string
	if value, ok := r.fields["access_token"]; ok && json.Unmarshal(value, &token) != nil {
		return nil, invalidParam("access_token", "invalid type")
	}
	g := r.grant
	switch {
	case token != "":
		g = ex.byAccess(token)
	case r.conn != nil:
		g = r.conn.grant
	}
	if fault := ex.usable(g, r); fault != nil {
		return nil, fault
	}
	if r.conn != nil {
		ex.begin(r.conn, g.key.account)
	}
	if r.conn != nil && g.session != nil && (r.conn.grant == nil || r.conn.grant.dead) {
		r.conn.grant = g // "the server will remember your token", said of session tokens
	}
	return g, nil
}

// byAccess returns the grant of an access token, nil when there is none.
func (ex *exchange) byAccess(token string) *grant {
	if g := ex.tokens[token]; g != nil && g.access == token {
		return g
	}
	return nil
}

func (ex *exchange) noAuthority() *rpcError {
	if ex.cfg.AuthorizationRequired {
		return authorizationRequired()
	}
	return unauthorized()
}

// usable reports why a grant does not serve a request.
func (ex *exchange) usable(g *grant, r *request) *rpcError {
	switch {
	case g == nil, g.dead:
		return ex.noAuthority()
	case !g.key.enabled:
		return unauthorized()
	case !r.now.Before(g.expires):
		return withReason(codeUnauthorized, "invalid_token", "token has expired", "access_token")
	case g.session == nil && g.conn != r.connID():
		return unauthorized()
	case g.asked.ip != "" && g.asked.ip != r.ip, !g.key.allows(r.ip):
		return unauthorized()
	}
	return nil
}
