package deribittest

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // TOTP is defined on SHA-1
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

const (
	challengeLife = time.Minute
	codeStep      = 30 * time.Second
)

// challenge is a second factor asked for and not yet given.
type challenge struct {
	method  string
	expires time.Time
}

type securityKey struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

// challengeResult is the result, not an error, of a call that lacks its second factor.
type challengeResult struct {
	Required  bool          `json:"security_key_authorization_required"`
	Keys      []securityKey `json:"security_keys"`
	RPID      string        `json:"rp_id"`
	Challenge string        `json:"challenge"`
}

// secondFactor lets a call through, answers it with a challenge, or refuses it with 13668.
func (ex *exchange) secondFactor(r *request) (*challengeResult, *rpcError) {
	p, fault := decodeParams[struct {
		ID        int64  `json:"id"`
		Code      string `json:"authorization_data"`
		Challenge string `json:"challenge"`
	}](r.params)
	if fault != nil {
		return nil, fault
	}
	target := ex.keys[p.ID]
	if !r.grant.key.secondFactor && (target == nil || !target.secondFactor) {
		return nil, nil
	}
	a := ex.account(r.grant.key.account)
	switch {
	case p.Challenge == "" && p.Code == "" && ex.cfg.SecondFactorError:
		return nil, factorError("tfa_code_is_required")
	case p.Challenge == "" && p.Code == "":
		return ex.challenge(a, r), nil
	case p.Code == "":
		return nil, factorError("tfa_code_is_required")
	}
	asked, known := a.challenges[p.Challenge]
	delete(a.challenges, p.Challenge)
	if !ex.cfg.SecondFactorError && (!known || asked.method != r.method || r.now.After(asked.expires)) {
		return nil, factorError("challenge_timeout")
	}
	return nil, a.useCode(p.Code, r.now)
}

func factorError(reason string) *rpcError {
	return &rpcError{
		Code: codeSecurityKey, Message: "security_key_authorization_error",
		Data: map[string]any{"reason": reason},
	}
}

func (ex *exchange) challenge(a *account, r *request) *challengeResult {
	text := base64.StdEncoding.EncodeToString([]byte(ex.random(32)))
	ex.noteSecret(text)
	for old, c := range a.challenges {
		if r.now.After(c.expires) {
			delete(a.challenges, old)
		}
	}
	a.challenges[text] = challenge{method: r.method, expires: r.now.Add(challengeLife)}
	return &challengeResult{
		Required: true, Keys: []securityKey{{Type: "tfa", Name: "tfa"}}, RPID: "test.deribit.com", Challenge: text,
	}
}

// The steps at which a code is taken, the present one first: one on either side is let in for clocks that differ.
var codeDrift = [...]int64{0, 1, -1}

// useCode takes a code once.
func (a *account) useCode(code string, now time.Time) *rpcError {
	step := now.Unix() / int64(codeStep.Seconds())
	for old := range a.usedSteps {
		if old < step-1 {
			delete(a.usedSteps, old)
		}
	}
	for _, drift := range codeDrift {
		if a.code(step+drift) != code {
			continue
		}
		if _, used := a.usedSteps[step+drift]; used {
			return factorError("used_tfa_code")
		}
		a.usedSteps[step+drift] = struct{}{}
		return nil
	}
	return factorError("tfa_code_not_matched")
}

// code is the time-based one-time password of RFC 6238 for a step, with six digits.
func (a *account) code(step int64) string {
	mac := hmac.New(sha1.New, a.totp)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes every write
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// SecondFactorCode returns a code that the account of the key takes now: that of the present 30 s, or, once that was used,
// of the step after or before it. It is empty for a key that does not exist.
func (s *Server) SecondFactorCode(keyID int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.ex.keys[keyID]
	if k == nil {
		return ""
	}
	a := s.ex.account(k.account)
	now := s.ex.now().Unix() / int64(codeStep.Seconds())
	step := now
	for _, drift := range codeDrift {
		if _, used := a.usedSteps[now+drift]; !used {
			step = now + drift
			break
		}
	}
	code := a.code(step)
	s.ex.noteSecret(code)
	return code
}
