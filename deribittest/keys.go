package deribittest

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const defaultScope = "account:read_write trade:read_write wallet:read_write block_trade:read_write"

// KeyConfig describes a key to add. The zero value is a key of account 1 with the default scope.
type KeyConfig struct {
	// Name is the key's name, as in private/list_api_keys.
	Name string
	// Scope is the key's maximal scope; empty is account, trade, wallet and block_trade with read_write.
	Scope string
	// SecondFactor makes the management of keys ask for a second factor, when this key is the caller's or the one managed.
	SecondFactor bool
	// Account is the account's number; 0 is account 1.
	Account int64
	// ClientID and Secret set the credentials, for published test vectors; empty ones are made.
	ClientID, Secret string
	// PublicKey makes an asymmetric key: an Ed25519 key, or an RSA key of at least 2048 bits, in PEM. It has no Secret.
	PublicKey string
}

// Key is an API key as it stands.
type Key struct {
	// ID is the number by which private/reset_api_key and its like know the key.
	ID int64
	// ClientID is the public half of the credentials.
	ClientID string
	// Secret is the other half, for an asymmetric key the fingerprint of its public key. Neither fmt nor encoding/json shows it.
	Secret string `json:"-"`
	// PublicKey is that of an asymmetric key, in PEM, empty for a key with a secret.
	PublicKey string
	// Name and Scope are as in private/list_api_keys.
	Name, Scope string
	// Enabled is false after private/disable_api_key.
	Enabled bool
	// SecondFactor is as in KeyConfig.
	SecondFactor bool
	// Account is the account's number.
	Account int64
}

// String names the key without its secret.
func (k Key) String() string { return fmt.Sprintf("key %d (%s)", k.ID, k.ClientID) }

// GoString is String: a key does not show its secret under any verb.
func (k Key) GoString() string { return k.String() }

// key is an API key with what was minted from it.
type key struct {
	id               int64
	clientID, secret string
	public           *publicKey // nil for a key with a secret
	name             string
	scope            scope
	enabled          bool
	isDefault        bool
	features         []string
	whitelist        []string
	created          time.Time
	account          int64
	secondFactor     bool

	sessions map[string]*session
	grants   []*grant
	nonces   map[string]time.Time
	failures int // logins refused in a row
}

// AddKey adds a key and returns it. It panics when the scope or the public key is not one.
func (s *Server) AddKey(cfg KeyConfig) Key {
	sc, ok := parseScope(cmp.Or(cfg.Scope, defaultScope))
	if !ok {
		panic("deribittest: add key: scope " + cfg.Scope)
	}
	public, ok := parsePublicKey(cfg.PublicKey)
	if !ok && cfg.PublicKey != "" {
		panic("deribittest: add key: the public key is none of Ed25519 or RSA with 2048 bits, in PEM")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.ex.newKey(cmp.Or(cfg.Account, 1), s.ex.now())
	k.name, k.scope, k.secondFactor = cfg.Name, sc, cfg.SecondFactor
	if cfg.ClientID != "" {
		delete(s.ex.clients, k.clientID)
		k.clientID = cfg.ClientID
		s.ex.clients[k.clientID] = k
	}
	if cfg.Secret != "" {
		k.secret = cfg.Secret
		s.ex.noteSecret(k.secret)
	}
	if public != nil {
		k.setPublicKey(public)
	}
	return k.snapshot()
}

// Key returns the key with the number as it stands now, and false when there is none.
func (s *Server) Key(id int64) (Key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.ex.keys[id]
	if !ok {
		return Key{}, false
	}
	return k.snapshot(), true
}

func (k *key) snapshot() Key {
	return Key{
		ID: k.id, ClientID: k.clientID, Secret: k.secret, PublicKey: k.publicText(), Name: k.name, Scope: k.scope.String(),
		Enabled: k.enabled, SecondFactor: k.secondFactor, Account: k.account,
	}
}

// newKey makes an enabled key without a scope.
func (ex *exchange) newKey(account int64, now time.Time) *key {
	ex.lastKey++
	k := &key{
		id: ex.lastKey, clientID: ex.random(8), secret: ex.newSecret(), enabled: true, created: now, account: account,
		features: []string{}, whitelist: []string{},
		sessions: make(map[string]*session), nonces: make(map[string]time.Time),
	}
	ex.keys[k.id], ex.clients[k.clientID] = k, k
	return k
}

func (ex *exchange) newSecret() string {
	secret := ex.random(43)
	ex.noteSecret(secret)
	return secret
}

// allows reports whether the key's whitelist lets an address in.
func (k *key) allows(ip string) bool {
	return len(k.whitelist) == 0 || slices.Contains(k.whitelist, ip)
}

// usableFrom reports whether the key, which may be nil, can log in from an address.
func (k *key) usableFrom(ip string) bool { return k != nil && k.enabled && k.allows(ip) }

// apiKey is the api_key object.
type apiKey struct {
	ID        int64    `json:"id"`
	Timestamp int64    `json:"timestamp"`
	ClientID  string   `json:"client_id"`
	Secret    string   `json:"client_secret"`
	PublicKey string   `json:"public_key,omitempty"`
	MaxScope  any      `json:"max_scope"`
	Enabled   bool     `json:"enabled"`
	Default   bool     `json:"default"`
	Name      string   `json:"name"`
	Features  []string `json:"enabled_features"`
	Whitelist []string `json:"ip_whitelist"`
}

func (ex *exchange) object(k *key) apiKey {
	o := apiKey{
		ID: k.id, Timestamp: k.created.UnixMilli(), ClientID: k.clientID, Secret: k.secret, PublicKey: k.publicText(),
		MaxScope: k.scope.String(), Enabled: k.enabled, Default: k.isDefault, Name: k.name,
		Features: k.features, Whitelist: k.whitelist,
	}
	if ex.cfg.MaxScopeList {
		o.MaxScope = k.scope.items()
	}
	return o
}
