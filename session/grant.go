package session

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signatureParams authenticate without sending the secret.
type signatureParams struct {
	GrantType string `json:"grant_type"`
	ClientID  string `json:"client_id"`
	Timestamp int64  `json:"timestamp"`
	Nonce     string `json:"nonce"`
	Data      string `json:"data"`
	Signature string `json:"signature"`
	Scope     string `json:"scope"`
}

// grant authenticates a connection with creds.
func (s *Session) grant(ctx context.Context, l *link, creds Credentials) error {
	if err := creds.validate(); err != nil {
		return &AuthError{
			ClientID: creds.ClientID, Generation: creds.Generation,
			Err: err, Hint: "the CredentialSource must return the key's client id, and its client secret, its private key or a Signer",
		}
	}
	scope := askedScope(s.cfg.Scope)
	params, err := s.authParams(ctx, creds, scope)
	if err != nil {
		return err
	}
	if err := l.holdAuthority(ctx); err != nil {
		return err
	}
	defer l.releaseAuthority()
	if err := l.obtain(ctx, params, scope); err != nil {
		return err
	}
	l.clientID.Store(&creds.ClientID)
	s.clientID.Store(&creds.ClientID)
	l.generation.Store(creds.Generation)
	l.auths.Add(1)
	return nil
}

var errNoRefresh = errors.New("session: there is no refresh token")

// refresh authenticates a connection with the refresh token that its last authentication brought; the generation stays what
// it is. How the exchange refuses is not documented: after any error there is the key alone. It does nothing where somebody has
// authenticated since, and reports false.
func (l *link) refresh(ctx context.Context, since mark) (refreshed bool, err error) {
	if err := l.holdAuthority(ctx); err != nil {
		return false, err
	}
	defer l.releaseAuthority()
	if l.auths.Load() > since.auths {
		return false, nil
	}
	spent := l.refreshToken
	l.refreshToken = Secret{} // it is good for once
	if spent.IsZero() {
		return false, errNoRefresh
	}
	if err := l.obtain(ctx, refreshParams{spent}, askedScope(l.session.cfg.Scope)); err != nil {
		return false, err
	}
	l.auths.Add(1)
	return true, nil
}

// holdAuthority has one at a time authenticate a connection.
func (l *link) holdAuthority(ctx context.Context) error {
	select {
	case l.authority <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *link) releaseAuthority() { <-l.authority }

// obtain asks for a token, which must grant what was asked for and what the connection had.
func (l *link) obtain(ctx context.Context, params any, scope string) error {
	var got token
	asked := time.Now()
	if err := l.call(ctx, methodAuth, params, &got); err != nil {
		return err
	}
	if got.AccessToken.IsZero() {
		return fmt.Errorf("session: %s: the answer has no access token", methodAuth)
	}
	for _, want := range []string{scope, l.granted} {
		if missing := missingScope(want, got.Scope); len(missing) > 0 {
			return &ScopeError{Asked: want, Granted: got.Scope, Missing: missing}
		}
	}
	l.granted, l.refreshToken = got.Scope, got.RefreshToken
	l.setExpiry(got.life(), asked)
	return nil
}

// authParams are what proves that the session has the key.
func (s *Session) authParams(ctx context.Context, creds Credentials, scope string) (any, error) {
	if !s.signs(creds) {
		return credentialsParams{creds, scope}, nil
	}
	return signed(ctx, creds, scope, newStamp())
}

// signs reports whether the session proves that it has the key by a signature.
func (s *Session) signs(creds Credentials) bool {
	return s.cfg.Grant == GrantSignature || creds.signer() != nil
}

// stamp is what makes a signature good for a short time, and once.
type stamp struct {
	millis int64
	nonce  string
}

func newStamp() stamp { return stamp{time.Now().UnixMilli(), strings.ToLower(rand.Text()[:16])} }

// signed signs with the key; the exchange's article on authentication gives the string to sign, whose data is empty here, and
// a vector.
func signed(ctx context.Context, creds Credentials, scope string, at stamp) (signatureParams, error) {
	signature, err := creds.signature(ctx, fmt.Appendf(nil, "%d\n%s\n", at.millis, at.nonce))
	return signatureParams{
		GrantType: "client_signature",
		ClientID:  creds.ClientID,
		Timestamp: at.millis,
		Nonce:     at.nonce,
		Signature: signature,
		Scope:     scope,
	}, err
}

// signature is in hex by a secret, and in base64 by an asymmetric key.
func (c Credentials) signature(ctx context.Context, message []byte) (string, error) {
	if signer := c.signer(); signer != nil {
		raw, err := signer.sign(ctx, message)
		return base64.RawURLEncoding.EncodeToString(raw), err
	}
	secret := c.Secret.Reveal()
	defer clear(secret)
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write(message) // a hash never fails
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// credentialsParams send the secret. They encode it straight into the frame, which is wiped when it has left.
type credentialsParams struct {
	creds Credentials
	scope string
}

// AppendJSON implements rpc.Appender.
func (p credentialsParams) AppendJSON(dst []byte) ([]byte, error) {
	secret := p.creds.Secret.Reveal()
	defer clear(secret)
	dst = append(dst, `{"grant_type":"client_credentials","client_id":`...)
	dst = appendString(dst, []byte(p.creds.ClientID))
	dst = append(dst, `,"client_secret":`...)
	dst = appendString(dst, secret)
	dst = append(dst, `,"scope":`...)
	dst = appendString(dst, []byte(p.scope))
	return append(dst, '}'), nil
}

// appendString appends a JSON string without leaving copies of it behind.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, `\u00`...)
			dst = append(dst, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// Scope is what the session asks for: [Config.Scope].
func (s *Session) Scope() string { return s.cfg.Scope }

// askedScope is the scope to ask for: bound to the connection unless the user names a session.
func askedScope(scope string) string {
	for item := range strings.FieldsSeq(scope) {
		if item == "connection" || strings.HasPrefix(item, "session:") {
			return scope
		}
	}
	return strings.TrimSpace("connection " + scope)
}

// areas are what access can be granted to. The exchange ignores what it does not know, so that a misspelt item would get
// nothing, without a word; items of other kinds may come to be.
var areas = []string{"account", "trade", "wallet", "block_trade", "block_rfq", "custody"}

// misspelt returns an item of a scope that asks for access of no known level, empty if there is none.
func misspelt(scope string) string {
	for item := range strings.FieldsSeq(scope) {
		area, level, _ := strings.Cut(item, ":")
		if slices.Contains(areas, area) && level != "read" && level != "read_write" && level != "none" {
			return item
		}
	}
	return ""
}

// missingScope is what was asked for and not granted. The exchange narrows a scope without an error. Only access can be
// missing: items that configure the token (session:, expires:, ip:) are answered in other ways or not at all.
func missingScope(asked, granted string) []string {
	have := map[string]bool{}
	for item := range strings.FieldsSeq(granted) {
		have[item] = true
		if area, ok := strings.CutSuffix(item, ":read_write"); ok {
			have[area+":read"] = true
		}
	}
	var missing []string
	for item := range strings.FieldsSeq(asked) {
		isAccess := strings.HasSuffix(item, ":read") || strings.HasSuffix(item, ":read_write")
		if isAccess && !have[item] {
			missing = append(missing, item)
		}
	}
	return missing
}

// ClockSkewError is a refused signature on a machine whose clock is too far off the exchange's.
type ClockSkewError struct {
	Skew time.Duration // how far this machine is ahead, below 0 if it is behind
	Err  error
}

// Error names the skew and what to do.
func (e *ClockSkewError) Error() string {
	where := " ahead of"
	if e.Skew < 0 {
		where = " behind"
	}
	return "session: this machine's clock is " + e.Skew.Abs().Round(time.Second).String() + where +
		" the exchange's, and a signature is valid for 60 s: set the clock (" + strconv.Quote(e.Err.Error()) + ")"
}

// Unwrap returns the exchange's refusal.
func (e *ClockSkewError) Unwrap() error { return e.Err }
