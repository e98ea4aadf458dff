package deribittest

import (
	"cmp"
	"regexp"
	"slices"
)

// keyParams are the parameters of the methods that manage keys; each uses some.
type keyParams struct {
	ID        int64     `json:"id"`
	MaxScope  string    `json:"max_scope"`
	Name      *string   `json:"name"`
	Enabled   *bool     `json:"enabled"`
	Features  []string  `json:"enabled_features"`
	Whitelist *[]string `json:"ip_whitelist"`
	PublicKey string    `json:"public_key"`
}

// keyMethods are the methods that manage keys. Which ask for a second factor is documented, but for reset_api_key: there
// the documents leave it to the account's configuration.
func keyMethods() map[string]method {
	managed := func(gated bool, names []string, call func(*exchange, *request, *key, keyParams) (any, *rpcError)) method {
		return method{scope: "account:read_write", gated: gated, required: names, call: func(ex *exchange, r *request) (any, *rpcError) {
			k, p, fault := ex.managedKey(r)
			if fault != nil {
				return nil, fault
			}
			return call(ex, r, k, p)
		}}
	}
	return map[string]method{
		"private/create_api_key": {scope: "account:read_write", gated: true, required: []string{"max_scope"}, call: (*exchange).createKey},
		"private/list_api_keys":  {scope: "account:read", gated: true, call: (*exchange).listKeys},

		"private/edit_api_key":            managed(true, []string{"id", "max_scope"}, (*exchange).editKey),
		"private/change_scope_in_api_key": managed(true, []string{"id", "max_scope"}, (*exchange).editKey),
		"private/change_api_key_name":     managed(false, []string{"id", "name"}, (*exchange).editKey),
		"private/disable_api_key":         managed(true, []string{"id"}, (*exchange).disableKey),
		"private/enable_api_key":          managed(false, []string{"id"}, (*exchange).enableKey),
		"private/reset_api_key":           managed(true, []string{"id"}, (*exchange).resetKey),
		"private/remove_api_key":          managed(false, []string{"id"}, (*exchange).removeKey),
	}
}

// managedKey finds the key that a call is about. The caller must reach as far as the key does: 13403 otherwise.
func (ex *exchange) managedKey(r *request) (*key, keyParams, *rpcError) {
	p, fault := decodeParams[keyParams](r.params)
	if fault != nil {
		return nil, p, fault
	}
	k := ex.keys[p.ID]
	if k == nil || k.account != r.grant.key.account {
		return nil, p, newError(codeNotFound, "not_found")
	}
	if !k.scope.within(r.grant.scope()) {
		return nil, p, newError(codeScopeExceeded, "scope_exceeded")
	}
	return k, p, nil
}

// wantedScope reads max_scope, which may not exceed the caller's.
func wantedScope(text string, r *request) (scope, *rpcError) {
	sc, ok := parseScope(text)
	if !ok {
		return nil, invalidParam("max_scope", "invalid format")
	}
	if !sc.within(r.grant.scope()) {
		return nil, newError(codeScopeExceeded, "scope_exceeded")
	}
	return sc, nil
}

var keyName = regexp.MustCompile(`^[A-Za-z0-9_]{1,16}$`)

func (ex *exchange) createKey(r *request) (any, *rpcError) {
	p, fault := decodeParams[keyParams](r.params)
	if fault != nil {
		return nil, fault
	}
	sc, fault := wantedScope(p.MaxScope, r)
	if fault != nil {
		return nil, fault
	}
	if p.Name != nil && !keyName.MatchString(*p.Name) {
		return nil, invalidParam("name", "invalid format")
	}
	public, ok := parsePublicKey(p.PublicKey)
	if !ok && p.PublicKey != "" {
		return nil, invalidParam("public_key", "invalid format")
	}
	if ex.keysOf(r.grant.key.account) >= maxKeys {
		return nil, newError(codeRequestFailed, "request_failed")
	}
	k := ex.newKey(r.grant.key.account, r.now)
	k.scope = sc
	if p.Name != nil {
		k.name = *p.Name
	}
	k.features = append(k.features, p.Features...)
	if public != nil {
		k.setPublicKey(public)
	}
	ex.logAccess(k.account, "new_api_key", k.clientID, r)
	return ex.object(k), nil
}

// maxKeys is how many keys an account may have, by the exchange's page on connection management. With which error it refuses one more
// is not documented.
const maxKeys = 8

func (ex *exchange) keysOf(account int64) int {
	n := 0
	for _, k := range ex.keys {
		if k.account == account {
			n++
		}
	}
	return n
}

func (ex *exchange) listKeys(r *request) (any, *rpcError) {
	list := []apiKey{}
	for _, k := range ex.keys {
		if k.account != r.grant.key.account {
			continue
		}
		o := ex.object(k)
		if ex.cfg.ListHidesSecrets || r.grant.scope()["account"] < levelReadWrite {
			o.Secret = ""
		}
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b apiKey) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// editKey serves edit_api_key, change_scope_in_api_key and change_api_key_name: it changes what is given.
func (ex *exchange) editKey(r *request, k *key, p keyParams) (any, *rpcError) {
	sc := k.scope
	if p.MaxScope != "" && r.method != "private/change_api_key_name" {
		var fault *rpcError
		if sc, fault = wantedScope(p.MaxScope, r); fault != nil {
			return nil, fault
		}
	}
	if p.Name != nil && !keyName.MatchString(*p.Name) {
		return nil, invalidParam("name", "invalid format")
	}
	if sc.String() != k.scope.String() {
		ex.logAccess(k.account, "changed_scope", k.clientID, r)
	}
	k.scope = sc
	if p.Name != nil {
		k.name = *p.Name
	}
	if p.Enabled != nil && *p.Enabled != k.enabled {
		ex.enable(k, *p.Enabled, r)
	}
	if p.Features != nil {
		k.features = p.Features
	}
	if p.Whitelist != nil {
		k.whitelist = *p.Whitelist
		ex.logAccess(k.account, "changed_whitelist", k.clientID, r)
	}
	return ex.object(k), nil
}

func (ex *exchange) enableKey(r *request, k *key, _ keyParams) (any, *rpcError) {
	ex.enable(k, true, r)
	return ex.object(k), nil
}

func (ex *exchange) enable(k *key, on bool, r *request) {
	k.enabled = on
	ex.logAccess(k.account, map[bool]string{true: "enabled_api_key", false: "disabled_api_key"}[on], k.clientID, r)
}

func (ex *exchange) disableKey(r *request, k *key, _ keyParams) (any, *rpcError) {
	ex.enable(k, false, r)
	return ex.object(k), nil
}

func (ex *exchange) removeKey(r *request, k *key, _ keyParams) (any, *rpcError) {
	ex.revoke(k)
	delete(ex.keys, k.id)
	delete(ex.clients, k.clientID)
	ex.logAccess(k.account, "removed_api_key", k.clientID, r)
	return "ok", nil
}
