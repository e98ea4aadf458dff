package deribittest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// FuzzRequest sends any text: the server answers with a sound reply, or not at all where the method has none, and serves on.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{
		``, `{`, `[]`, `null`, `{"jsonrpc":"2.0","id":1,"method":"public/test","params":{}}`,
		`{"jsonrpc":"2.0","id":"a","method":"public/auth","params":{"grant_type":"client_signature","client_id":"AMANDA","timestamp":"1","nonce":"n","signature":"00","scope":"session:x expires:1"}}`,
		`{"jsonrpc":"2.0","id":2,"method":"private/subscribe","params":{"channels":["user.access_log","book.BTC-PERPETUAL.raw"],"label":"x"}}`,
		`{"jsonrpc":"2.0","id":3,"method":"private/reset_api_key","params":{"id":1,"authorization_data":"000000","challenge":"x"}}`,
		`{"jsonrpc":"2.0","id":4,"method":"private/edit_api_key","params":{"id":1,"max_scope":"account:read_write","ip_whitelist":["127.0.0.1"]}}`,
		`{"jsonrpc":"2.0","id":5,"method":"public/set_heartbeat","params":{"interval":1e1}}`,
		`{"jsonrpc":"2.0","id":6,"method":"private/buy","params":{"instrument_name":"BTC-PERPETUAL","amount":10,"type":"market","label":"l"}}`,
		`{"jsonrpc":"2.0","id":7,"method":"private/enable_cancel_on_disconnect","params":{"scope":"account"}}`,
		`{"jsonrpc":"2.0","id":8,"method":"private/logout","params":{"invalidate_token":false}}`,
	} {
		f.Add(text)
	}
	l := deribittest.NewMemoryListener()
	s, err := deribittest.New(deribittest.Config{Listener: l, Tick: -1, ConnectionsPerIP: -1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	k := s.AddKey(deribittest.KeyConfig{ClientID: "AMANDA", Secret: "AMANDASECRECT"})
	f.Fuzz(func(t *testing.T, text string) {
		c := dialMemory(t, s, l)
		if now, ok := s.Key(k.ID); ok && now.Enabled {
			c.start("public/auth", params{"grant_type": "client_credentials", "client_id": now.ClientID, "client_secret": now.Secret})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c.send(text)
		if err := c.ws.Write(ctx, websocket.MessageText, []byte(`{"jsonrpc":"2.0","id":"last","method":"public/get_time"}`)); err != nil {
			t.Fatal(err)
		}
		for {
			_, data, err := c.ws.Read(ctx)
			if websocket.CloseStatus(err) == websocket.StatusNormalClosure && strings.Contains(text, "logout") {
				return
			}
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			var a answer
			if err := json.Unmarshal(data, &a); err != nil || a.JSONRPC != "2.0" || (a.Method == "" && (a.Result == nil) == (a.Error == nil)) {
				t.Fatalf("%q: answered %q, %v", text, data, err)
			}
			if string(a.ID) == `"last"` {
				return
			}
		}
	})
}

// FuzzScope reads any scope: what is understood reads the same again, and narrowing never widens.
func FuzzScope(f *testing.F) {
	f.Add("account:read_write trade:read", "trade:read_write wallet:read account:none")
	f.Add("", "session:x expires:60 ip:*")
	f.Fuzz(func(t *testing.T, a, b string) {
		text, ok := deribittest.ScopeText(a)
		if again, same := deribittest.ScopeText(text); ok && text != "" && (!same || again != text) {
			t.Errorf("%q reads as %q, then as %q", a, text, again)
		}
		if !deribittest.NarrowsWithin(a, b) {
			t.Errorf("%q narrowed by %q is wider", a, b)
		}
	})
}

// FuzzREST is FuzzRequest over HTTP.
func FuzzREST(f *testing.F) {
	f.Add("GET", "public/test?expected_result=exception", "", "", "")
	f.Add("POST", "private/edit_api_key", "application/json", `{"id":1,"max_scope":"account:read"}`, "Basic QU1BTkRBOkFNQU5EQVNFQ1JFQ1Q=")
	f.Add("POST", "private/buy", "application/x-www-form-urlencoded", "amount=10&instrument_name=BTC-PERPETUAL&post_only=true", "bearer x")
	f.Add("GET", "private/get_access_log?count=1&channels[]=a&channels[]=b", "", "", "deri-hmac-sha256 id=AMANDA,ts=1,sig=0,nonce=1")
	s, err := deribittest.New(deribittest.Config{Tick: -1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	s.AddKey(deribittest.KeyConfig{ClientID: "AMANDA", Secret: "AMANDASECRECT"})
	f.Fuzz(func(t *testing.T, method, path, kind, body, authorization string) {
		req, err := http.NewRequestWithContext(t.Context(), method, s.RESTURL()+"/"+path, strings.NewReader(body))
		if err != nil {
			return // not a request
		}
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Authorization", authorization)
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, req)
		var a answer
		if rec.Code == http.StatusOK || rec.Code == http.StatusBadRequest {
			if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || (a.Result == nil) == (a.Error == nil) {
				t.Errorf("%s %s: %d %q", method, path, rec.Code, rec.Body)
			}
		}
	})
}
