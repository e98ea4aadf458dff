package rotate_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// TestAPIKey decodes the exchange's published example, and each member.
func TestAPIKey(t *testing.T) {
	t.Parallel()
	const reply = `{"timestamp":1560242482758,"max_scope":"account:read_write block_trade:read","id":3,"enabled":true,"default":false,
		"client_secret":"B6RsF9rrLY5ezEGBQkyLlV-UC7whyPJ34BMA-kKYpes","client_id":"1sXMQBhM","name":"NewKeyName",
		"public_key":"-----BEGIN","enabled_features":["block_trade_approval"],"ip_whitelist":["10.0.0.1"],"new_member":{"x":[1]}}`
	key, challenged, odd, err := rotate.DecodeReset([]byte(reply))
	if err != nil || odd != nil || challenged {
		t.Fatal(err, odd, challenged)
	}
	secret := key.Secret.Reveal()
	if string(secret) != "B6RsF9rrLY5ezEGBQkyLlV-UC7whyPJ34BMA-kKYpes" {
		t.Error("another secret")
	}
	if key.ID != 3 || key.ClientID != "1sXMQBhM" || key.Name != "NewKeyName" || !key.Enabled || key.Default ||
		!key.Timestamp.Equal(time.UnixMilli(1560242482758)) || key.PublicKey != "-----BEGIN" {
		t.Errorf("key: %+v", key)
	}
	if !slices.Equal(key.MaxScope, []string{"account:read_write", "block_trade:read"}) ||
		!slices.Equal(key.EnabledFeatures, []string{"block_trade_approval"}) || !slices.Equal(key.IPWhitelist, []string{"10.0.0.1"}) {
		t.Errorf("lists: %+v", key)
	}
	text, err := json.Marshal(key)
	if err != nil || strings.Contains(string(text), "B6Rs") {
		t.Errorf("%s, %v", text, err)
	}
}

// TestAPIKeyVariants: the exchange's pages contradict each other, and it may add what they do not have.
func TestAPIKeyVariants(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, reply   string
		secret        string
		odd, challeng bool
		bad           bool
	}{
		{"scope as a list", `{"id":3,"client_id":"a","client_secret":"s","max_scope":["account:read"]}`, "s", false, false, false},
		{"escapes", `{"id":3,"client_id":"a","client_secret":"\u0073\/\""}`, `s/"`, false, false, false},
		{"odd name", `{"id":3,"client_id":"a","client_secret":"s","name":7}`, "s", true, false, false},
		{"folded case", `{"ID":3,"client_id":"a","CLIENT_SECRET":"s"}`, "", false, false, false},
		{"flag is false", `{"id":3,"client_id":"a","client_secret":"s","security_key_authorization_required":false}`, "s", false, false, false},
		{"challenge", `{"security_key_authorization_required":true,"challenge":"c","client_secret":"s"}`, "", false, true, false},
		{"challenge without token", `{"security_key_authorization_required":true}`, "", false, false, true},
		{"id as text", `{"id":"3","client_id":"a","client_secret":"s"}`, "", false, false, true},
		{"secret is an object", `{"id":3,"client_id":"a","client_secret":{}}`, "", false, false, true},
		{"secret is no text", "{\"id\":3,\"client_id\":\"a\",\"client_secret\":\"\xff\"}", "", false, false, true},
		{"list", `[]`, "", false, false, true},
		{"nothing", ``, "", false, false, true},
	} {
		key, challenged, odd, err := rotate.DecodeReset([]byte(test.reply))
		if string(key.Secret.Reveal()) != test.secret || challenged != test.challeng || (odd != nil) != test.odd || (err != nil) != test.bad {
			t.Errorf("%s: %+v, challenged %t, odd %v, error %v", test.name, key, challenged, odd, err)
		}
		if err != nil && !errors.Is(err, rotate.ErrReply) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// FuzzResetReply compares with encoding/json: a key's secret is what that reads, and nothing else makes a success of a reply.
func FuzzResetReply(f *testing.F) {
	f.Add([]byte(keyJSON(clientID, keyID, "CANARY")))
	f.Add([]byte(`{"security_key_authorization_required":true,"challenge":"c","security_keys":[{"type":"tfa","name":"n"}]}`))
	f.Add([]byte(`{"id":3,"client_id":"a","client_secret":"\u0073"}`))
	f.Add([]byte(`{"id":1e2,"client_id":null,"client_secret":"s","max_scope":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		given := slices.Clone(raw)
		key, challenged, _, err := rotate.DecodeReset(raw)
		if !slices.Equal(raw, given) {
			t.Fatal("the reply was changed")
		}
		if challenged && err == nil && !key.Secret.IsZero() {
			t.Fatal("both a challenge and a key")
		}
		if err != nil || challenged {
			return
		}
		var want map[string]any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("a key from what is no JSON: %v", err)
		}
		if secret, ok := want["client_secret"].(string); key.Secret.IsZero() != (!ok || secret == "") ||
			ok && secret != string(key.Secret.Reveal()) {
			t.Fatalf("secret %q, json reads %q", key.Secret.Reveal(), secret)
		}
		if id, ok := want["client_id"].(string); ok && id != key.ClientID {
			t.Fatalf("client id %q, json reads %q", key.ClientID, id)
		}
	})
}

// FuzzKeyList: no list crashes the decoder, and no key appears that encoding/json does not see.
func FuzzKeyList(f *testing.F) {
	f.Add([]byte("[" + keyJSON(clientID, keyID, "CANARY") + "]"))
	f.Add([]byte(` {"security_key_authorization_required":true,"challenge":"c"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, challenged, err := rotate.DecodeKeys(raw)
		if err != nil || challenged {
			if len(keys) > 0 {
				t.Fatal("keys with an error")
			}
			return
		}
		var want []map[string]any
		if err := json.Unmarshal(raw, &want); err != nil || len(want) != len(keys) {
			t.Fatalf("%d keys, json reads %d (%v)", len(keys), len(want), err)
		}
	})
}
