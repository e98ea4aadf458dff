package session

import (
	"encoding/json"
	"errors"
	"time"
)

// token is the exchange's answer to public/auth. The access token is not kept: the connection remembers it.
type token struct {
	AccessToken  Secret `json:"access_token"`
	RefreshToken Secret `json:"refresh_token"`
	ExpiresIn    int64  `json:"expires_in"`
	Scope        string `json:"scope"`
}

// UnmarshalJSON takes the members by their exact names: encoding/json alone would take SCOPE for scope.
func (t *token) UnmarshalJSON(b []byte) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return errors.New("session: the token is no JSON object")
	}
	for name, to := range map[string]any{
		"access_token": &t.AccessToken, "refresh_token": &t.RefreshToken, "expires_in": &t.ExpiresIn, "scope": &t.Scope,
	} {
		raw, ok := m[name]
		if !ok {
			continue
		}
		err := json.Unmarshal(raw, to)
		clear(raw)
		if err != nil { // which may quote a secret
			return errors.New("session: the token's " + name + " has the wrong type")
		}
	}
	return nil
}

// maxTokenLife keeps the arithmetic of a token's life within a time.Duration.
const maxTokenLife = 50 * 365 * 24 * time.Hour

// life is how long the token is good for, 0 if the exchange does not say or says what cannot be.
func (t *token) life() time.Duration {
	return time.Duration(min(max(t.ExpiresIn, 0), int64(maxTokenLife/time.Second))) * time.Second
}
