package session_test

import (
	"errors"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/session"
)

// TestMint keeps an authority alive beyond the connection that got it, and beyond the secret.
func TestMint(t *testing.T) {
	t.Parallel()
	server := exchangetest.New(t, deribittest.Config{Tick: -1})
	key := server.AddKey(deribittest.KeyConfig{Name: "trader"})
	cfg := session.Config{URL: server.URL(), Scope: "session:rescue account:read_write expires:3600"}
	creds := session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret)), Generation: 1}
	for _, grant := range []session.Grant{session.GrantSignature, session.GrantCredentials} {
		cfg.Grant = grant
		token, err := session.Mint(t.Context(), cfg, creds)
		if err != nil {
			t.Fatal(err)
		}
		s, next, err := session.Redeem(t.Context(), cfg, token)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Call(t.Context(), "private/reset_api_key", map[string]int64{"id": key.ID}, nil); err != nil {
			t.Error(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		// A token is good for once; the next one outlives the connection.
		if _, _, err := session.Redeem(t.Context(), cfg, token); !isAuthError(err) {
			t.Errorf("a token was taken twice: %v", err)
		}
		s, _, err = session.Redeem(t.Context(), cfg, next)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := session.Mint(t.Context(), cfg, creds); !isAuthError(err) {
			t.Errorf("the secret was reset, and a token minted: %v", err)
		}
		now, _ := server.Key(key.ID)
		creds.Secret = session.NewSecret([]byte(now.Secret))
	}
}

func isAuthError(err error) bool {
	_, ok := errors.AsType[*session.AuthError](err)
	return ok
}
