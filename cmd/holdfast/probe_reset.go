package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// factor is how the exchange asked for a second factor.
type factor string

const (
	factorNone      factor = ""
	factorChallenge factor = "challenge" // in a reply that is no error
	factorError     factor = "error"     // 13668, tfa_code_is_required
)

// factorRounds bounds how many codes a person is asked for in one call.
const factorRounds = 3

// apiKey is what matters of the exchange's description of a key.
type apiKey struct {
	ID       int64          `json:"id"`
	ClientID string         `json:"client_id"`
	Secret   session.Secret `json:"client_secret"`
}

// keyCall makes a call of the management of keys, for which the exchange may ask for a second factor.
func (p *probe) keyCall(ctx context.Context, by rpc.Caller, method string, params map[string]any, result any) (asked factor, err error) {
	for range 2 * factorRounds { // a code that is refused may cost a call more
		var raw json.RawMessage
		how, challenge, err := demanded(by.Call(session.Once(ctx), method, params, &raw), raw)
		switch {
		case err != nil:
			return asked, err
		case how == factorNone:
			defer clear(raw)
			if json.Unmarshal(raw, result) != nil { // its own error could quote what it met
				return asked, fmt.Errorf("%s: %w", method, errReply)
			}
			return asked, nil
		case how == factorError && params["challenge"] != nil: // the code was refused: the next challenge comes with the next call
			delete(params, "challenge")
			delete(params, "authorization_data")
			continue
		case how == factorChallenge:
			params["challenge"] = challenge
		}
		asked = how
		if params["authorization_data"], err = p.ask(ctx, rotate.Challenge{Method: method}); err != nil {
			return asked, fmt.Errorf("%s: second factor: %w", method, err)
		}
	}
	return asked, fmt.Errorf("%s: the exchange goes on asking for a second factor", method)
}

var errReply = errors.New("the reply is none that the documents know")

// demanded finds in an answer how it asks for a second factor, if it does.
func demanded(err error, raw json.RawMessage) (how factor, challenge string, _ error) {
	if code, err := refusal(err); err == nil && code == session.CodeSecurityKey {
		return factorError, "", nil
	}
	if err != nil {
		return factorNone, "", err
	}
	var demand struct {
		Required  bool   `json:"security_key_authorization_required"`
		Challenge string `json:"challenge"`
	}
	if bytes.HasPrefix(raw, []byte("{")) && json.Unmarshal(raw, &demand) == nil && demand.Required {
		return factorChallenge, demand.Challenge, nil
	}
	return factorNone, "", nil
}

// reset resets the key and keeps its new secret. Once asked, the exchange is waited for: who is interrupted then has lost a secret.
func (p *probe) reset(ctx context.Context, by rpc.Caller) (factor, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resetTimeout)
	defer cancel()
	var key apiKey
	asked, err := p.keyCall(ctx, by, "private/reset_api_key", map[string]any{"id": p.keyID}, &key)
	if errors.Is(err, errReply) {
		return asked, fmt.Errorf("the new secret of key %d is lost: reset it by hand: %w", p.keyID, err)
	}
	if err != nil {
		return asked, err
	}
	if key.ID != p.keyID || key.ClientID != p.creds.ClientID || key.Secret.IsZero() {
		return asked, p.another(ctx, key)
	}
	return asked, p.keep(key.Secret)
}

// another keeps the secret of a key that was reset in the place of this one.
func (p *probe) another(ctx context.Context, key apiKey) error {
	err := fmt.Errorf("private/reset_api_key: the reply is not about key %d (%s)", p.keyID, p.creds.ClientID)
	if key.Secret.IsZero() {
		return err
	}
	reset := rotate.APIKey{ID: key.ID, ClientID: key.ClientID, Secret: key.Secret}
	p.lifeboat.take(ctx, reset, err)
	return fmt.Errorf("%w\n%s", err, p.lifeboat.advice(reset))
}

// resetTimeout bounds a reset, in which a person may be asked for codes.
const resetTimeout = 3 * time.Minute

// keep writes a new secret to the file, and only then takes it into use.
func (p *probe) keep(secret session.Secret) error {
	text := secret.Reveal()
	defer clear(text)
	if err := writeSecretFile(p.secretFile, text); err != nil {
		return fmt.Errorf("the new secret could not be kept: if the file has another one, reset the key once more with the second key: %w", err)
	}
	p.old = p.creds.Secret
	p.creds.Secret = secret
	p.creds.Generation++
	return nil
}

// resetByAdmin has the second key reset the key. It loses no reply with the key's own connections; one that the network loses is
// made up for by another reset.
func (p *probe) resetByAdmin(ctx context.Context) (factor, error) {
	asked, err := p.reset(ctx, p.admin)
	lost, isLost := errors.AsType[*rpc.CallError](err)
	if !isLost || lost.Outcome != rpc.Unknown {
		return asked, err
	}
	waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), resetTimeout)
	defer cancel()
	if err := p.admin.WaitReady(waiting); err != nil {
		return asked, fmt.Errorf("the key's secret may be lost: reset the key by hand: %w", err)
	}
	return p.reset(ctx, p.admin)
}

// findKey looks up the number of the key, or sees whether the one that was given is its number.
func (p *probe) findKey(ctx context.Context) error {
	keys, err := p.listKeys(ctx)
	if err != nil {
		if p.keyID == 0 {
			err = fmt.Errorf("give its number by -key-id: %w", err)
		}
		return fmt.Errorf("look up the key: %w", err)
	}
	if keys == nil {
		return nil
	}
	for _, k := range keys {
		switch {
		case k.ClientID != p.creds.ClientID:
		case p.keyID != 0 && p.keyID != k.ID:
			return fmt.Errorf("client id %s is of key %d: -key-id is of another one", k.ClientID, k.ID)
		default:
			p.keyID = k.ID
			return nil
		}
	}
	return fmt.Errorf("client id %s is none of this account's: both keys must be of one account", p.creds.ClientID)
}

// listKeys returns nil if a code would be needed for it and the key's number was given: then the codes are kept for the resets.
func (p *probe) listKeys(ctx context.Context) (keys []apiKey, err error) {
	const method = "private/list_api_keys"
	if p.keyID == 0 {
		_, err = p.keyCall(ctx, p.admin, method, map[string]any{}, &keys)
		return keys, err
	}
	var raw json.RawMessage
	how, _, err := demanded(p.admin.Call(session.Once(ctx), method, map[string]any{}, &raw), raw)
	if err != nil || how != factorNone {
		return nil, err
	}
	defer clear(raw)
	if json.Unmarshal(raw, &keys) != nil {
		return nil, fmt.Errorf("%s: %w", method, errReply)
	}
	return keys, nil
}
