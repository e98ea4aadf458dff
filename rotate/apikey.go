package rotate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/session"
)

// APIKey is an API key as the exchange describes it. Encoded, it shows a placeholder for the secret. For an asymmetric key the exchange
// gives a fingerprint of the public key in the place of a secret; the key that Hooks.AfterReset gets has its private half there.
type APIKey struct {
	ID        int64          `json:"id"`
	Timestamp time.Time      `json:"timestamp"` // of the last change, to the millisecond
	ClientID  string         `json:"client_id"`
	Secret    session.Secret `json:"client_secret"`
	PublicKey string         `json:"public_key,omitempty"`
	// MaxScope is the widest access that a token of the key can have. The exchange sends it as a list, or as one string
	// with spaces.
	MaxScope        []string `json:"max_scope"`
	Enabled         bool     `json:"enabled"` // true if the exchange does not say
	Default         bool     `json:"default"` // deprecated by the exchange
	Name            string   `json:"name,omitempty"`
	EnabledFeatures []string `json:"enabled_features,omitempty"`
	IPWhitelist     []string `json:"ip_whitelist,omitempty"`
}

// members are those of a JSON object, by their exact names.
type members map[string]json.RawMessage

func decodeMembers(raw []byte) (members, error) {
	var m members
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		// The decoder's own error could quote what it met.
		return nil, fmt.Errorf("%w: not an object", ErrReply)
	}
	return m, nil
}

// wipe overwrites the values: one of them is a secret.
func (m members) wipe() {
	for _, v := range m {
		clear(v)
	}
}

// decodeReset takes the answer to a reset as what it is: a key, or a demand for the second factor. Both come as success. odd
// names members beside the secret that could not be read: they must not cost the secret.
func decodeReset(raw []byte) (key APIKey, demand *challenge, odd, err error) {
	m, err := decodeMembers(raw)
	if err != nil {
		return APIKey{}, nil, nil, err
	}
	defer m.wipe()
	if m.isChallenge() {
		demand, err = m.challenge()
		return APIKey{}, demand, nil, err
	}
	key, odd, err = m.apiKey()
	return key, nil, odd, err
}

// decodeKeys takes the answer to a listing: keys, or a demand for the second factor.
func decodeKeys(raw []byte) ([]APIKey, *challenge, error) {
	if first := bytes.TrimLeft(raw, " \t\r\n"); len(first) > 0 && first[0] == '{' {
		m, err := decodeMembers(raw)
		switch {
		case err != nil:
			return nil, nil, err
		case !m.isChallenge():
			m.wipe()
			return nil, nil, fmt.Errorf("%w: neither a list of keys nor a challenge", ErrReply)
		}
		demand, err := m.challenge()
		return nil, demand, err
	}
	var list []members
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, nil, fmt.Errorf("%w: not a list of keys", ErrReply)
	}
	keys := make([]APIKey, 0, len(list))
	for _, m := range list {
		key, odd, err := m.apiKey()
		m.wipe()
		if err = errors.Join(err, odd); err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil, nil
}

// apiKey decodes a key. Without a readable id, client_id or client_secret there is none.
func (m members) apiKey() (key APIKey, odd, err error) {
	key.Enabled = true
	var millis int64
	if err := errors.Join(
		m.decode("id", &key.ID),
		m.decode("client_id", &key.ClientID),
		m.secret(&key.Secret),
	); err != nil {
		return APIKey{}, nil, err
	}
	odd = errors.Join(
		m.decode("timestamp", &millis),
		m.decode("public_key", &key.PublicKey),
		m.scope(&key.MaxScope),
		m.decode("enabled", &key.Enabled),
		m.decode("default", &key.Default),
		m.decode("name", &key.Name),
		m.decode("enabled_features", &key.EnabledFeatures),
		m.decode("ip_whitelist", &key.IPWhitelist),
	)
	key.Timestamp = time.UnixMilli(millis).UTC()
	return key, odd, nil
}

// decode leaves v alone if there is no such member, or it is null.
func (m members) decode(name string, v any) error {
	raw, ok := m[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %s has the wrong type", ErrReply, name)
	}
	return nil
}

// secret takes client_secret without leaving copies of it behind.
func (m members) secret(s *session.Secret) error {
	const name = "client_secret"
	raw := []byte(m[name])
	n := len(raw)
	switch {
	case n == 0 || string(raw) == "null":
		return nil
	case raw[0] != '"' || !utf8.Valid(raw):
		return fmt.Errorf("%w: %s is not text", ErrReply, name)
	case bytes.IndexByte(raw, '\\') < 0:
		*s = session.NewSecret(raw[1 : n-1])
		return nil
	}
	var text string
	if err := m.decode(name, &text); err != nil {
		return err
	}
	*s = session.NewSecret([]byte(text))
	return nil
}

func (m members) scope(scope *[]string) error {
	const name = "max_scope"
	var text string
	if m.decode(name, &text) == nil {
		*scope = strings.Fields(text)
		return nil
	}
	return m.decode(name, scope)
}
