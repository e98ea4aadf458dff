package rotate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// Challenge is the exchange's demand for a second factor, for Config.SecondFactor to answer with a code. The exchange documents two
// forms of it. Where it is error 13668 (tfa_code_is_required), Keys and RPID are empty.
type Challenge struct {
	Method string        `json:"method"` // the call that needs it
	Keys   []SecurityKey `json:"security_keys"`
	RPID   string        `json:"rp_id"`
	// Round counts the demands of one call from 1. In a later one the exchange wants another code than before, which a
	// device shows in its next step of 30 s.
	Round int `json:"round"`
}

// SecurityKey is a device that can answer a challenge.
type SecurityKey struct {
	Type string `json:"type"` // "tfa" is a device that shows codes
	Name string `json:"name"`
}

// The reasons with which the exchange refuses a second factor.
const (
	reasonNotMatched = "tfa_code_not_matched"
	reasonUsed       = "used_tfa_code"
	reasonTimeout    = "challenge_timeout"
	reasonRequired   = "tfa_code_is_required"

	reasonUnknown = "unknown" // what it says is none of these
)

// maxRounds bounds how often the second factor is asked for in one call.
const maxRounds = 2

// challenge is a demand with the token that its answer must repeat. One that came as an error has none.
type challenge struct {
	public Challenge
	token  session.Secret
}

func (m members) isChallenge() bool {
	return string(m["security_key_authorization_required"]) == "true"
}

func (m members) challenge() (*challenge, error) {
	defer m.wipe()
	c := &challenge{}
	if err := errors.Join(
		m.decode("challenge", &c.token),
		m.decode("security_keys", &c.public.Keys),
		m.decode("rp_id", &c.public.RPID),
	); err != nil {
		return nil, err
	}
	if c.token.IsZero() {
		return nil, fmt.Errorf("%w: a challenge without its token", ErrReply)
	}
	return c, nil
}

// answer is what a call that needs a second factor sends the second time. The zero answer is none.
type answer struct {
	code, token session.Secret
	given       bool // the code may be empty all the same
}

// keyParams are the params of a method on keys.
type keyParams struct {
	id      int64 // 0 for none
	answer  answer
	unasked bool   // nobody is asked for a second factor
	leaves  func() // called when the frame is made; nil for nothing
	// What a key is created with.
	name      string
	maxScope  []string
	features  []string
	publicKey string // in PEM, empty for a key with a secret
}

// AppendJSON implements rpc.Appender.
func (p keyParams) AppendJSON(dst []byte) ([]byte, error) {
	if p.leaves != nil {
		p.leaves()
	}
	fields := make(map[string]any, 3)
	if p.id != 0 {
		fields["id"] = p.id
	}
	if p.name != "" {
		fields["name"], fields["max_scope"] = p.name, strings.Join(p.maxScope, " ")
	}
	if len(p.features) > 0 {
		fields["enabled_features"] = p.features
	}
	if p.publicKey != "" {
		fields["public_key"] = p.publicKey
	}
	if p.answer.given {
		fields["authorization_data"] = string(p.answer.code.Reveal())
	}
	if !p.answer.token.IsZero() {
		fields["challenge"] = string(p.answer.token.Reveal())
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return dst, fmt.Errorf("rotate: params: %w", err)
	}
	defer clear(text)
	return append(dst, text...), nil
}

// MarshalJSON encodes the params for a Caller that does not know rpc.Appender.
func (p keyParams) MarshalJSON() ([]byte, error) { return p.AppendJSON(nil) }

// isMissedCode reports whether a second factor was asked for and not given, or not the right one: the next one may do.
func isMissedCode(err error) bool {
	if _, refused := errors.AsType[*SecondFactorError](err); refused {
		return true
	}
	hook, ok := errors.AsType[*HookError](err)
	return ok && hook.Hook == hookFactor
}

// hookFactor names Config.SecondFactor in a HookError.
const hookFactor = "SecondFactor"

// ask has Config.SecondFactor answer a challenge.
func (r *Rotator) ask(ctx context.Context, c *challenge) (answer, error) {
	if r.cfg.SecondFactor == nil {
		return answer{}, ErrNoSecondFactor
	}
	var code string
	err := r.guard(ctx, hookFactor, secondFactorTimeout, func(ctx context.Context) (err error) {
		code, err = r.cfg.SecondFactor(ctx, c.public)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return answer{code: session.NewSecret([]byte(code)), token: c.token, given: true}, nil
}

// scrub takes from an error of a call on keys what the exchange may have echoed, and says what a refused second factor means.
func scrub(err error) error {
	refusal, ok := errors.AsType[*rpc.Error](err)
	if !ok {
		return err
	}
	bare := *refusal
	bare.Data = nil
	if refusal.Code != session.CodeSecurityKey {
		return &bare
	}
	var data struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal(refusal.Data, &data) != nil || !isReason(data.Reason) {
		data.Reason = reasonUnknown
	}
	return &SecondFactorError{Reason: data.Reason, Err: &bare}
}

func isReason(s string) bool {
	return s == reasonNotMatched || s == reasonUsed || s == reasonTimeout || s == reasonRequired
}

// asDemand is the demand that a refusal is: a call without a code is asked for one. Nil if it is none.
func (e *SecondFactorError) asDemand(sent answer) *challenge {
	if sent.given || e.Reason != reasonRequired {
		return nil
	}
	return &challenge{}
}

// worthAnotherRound reports whether the next code may do: the person was late or had only a used code.
func (e *SecondFactorError) worthAnotherRound() bool {
	return e.Reason == reasonUsed || e.Reason == reasonTimeout
}
