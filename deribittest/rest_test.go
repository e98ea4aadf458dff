package deribittest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// send sends an HTTP request and returns the reply with its status.
func send(t *testing.T, req *http.Request) (answer, int) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	return a, resp.StatusCode
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// httpSignature is the documented header of a signed request: its data are the method, the URI and the body.
func httpSignature(k deribittest.Key, data [3]string, nonce string, at time.Time) string {
	text := fmt.Sprintf("%d\n%s\n%s\n%s\n%s\n", at.UnixMilli(), nonce, data[0], data[1], data[2])
	return fmt.Sprintf("deri-hmac-sha256 id=%s,ts=%d,sig=%s,nonce=%s", k.ClientID, at.UnixMilli(), sign(k.Secret, text), nonce)
}

func TestRESTAuthorization(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	ask := func(header string) (answer, int) {
		req := request(t, http.MethodGet, s.RESTURL()+"/private/get_access_log?count=5", "")
		if header != "" {
			req.Header.Set("Authorization", header)
		}
		return send(t, req)
	}
	q := url.Values{"grant_type": {"client_credentials"}, "client_id": {k.ClientID}, "client_secret": {k.Secret}}
	a, _ := send(t, request(t, http.MethodGet, s.RESTURL()+"/public/auth?"+q.Encode(), ""))
	token := result[tokens](t, a).AccessToken
	basic := request(t, http.MethodGet, s.RESTURL(), "")
	basic.SetBasicAuth(k.ClientID, k.Secret)
	wrong := request(t, http.MethodGet, s.RESTURL(), "")
	wrong.SetBasicAuth(k.ClientID, "wrong")
	const uri = "/api/v2/private/get_access_log?count=5"
	good := httpSignature(k, [3]string{"GET", uri, ""}, "n1", time.Now())

	for _, tt := range []struct {
		name, header string
		code         int
	}{
		{"none", "", 13009},
		{"bearer", "Bearer " + token, 0},
		{"bearer in lower case", "bearer " + token, 0},
		{"bearer of nobody", "Bearer x", 13009},
		{"basic", basic.Header.Get("Authorization"), 0},
		{"basic with a wrong secret", wrong.Header.Get("Authorization"), 13004},
		{"basic that is not base64", "Basic ***", 13004},
		{"signature", good, 0},
		{"signature used again", good, 13004},
		{"signature of another request", httpSignature(k, [3]string{"POST", uri, ""}, "n2", time.Now()), 13004},
		{"stale signature", httpSignature(k, [3]string{"GET", uri, ""}, "n3", time.Now().Add(-2*time.Minute)), 13004},
		{"signature without a nonce", httpSignature(k, [3]string{"GET", uri, ""}, "", time.Now()), 13004},
		{"signature without fields", "deri-hmac-sha256 ", 13004},
		{"unknown kind", "Digest x", 13004},
	} {
		a, status := ask(tt.header)
		if a.code() != tt.code {
			t.Errorf("%s: %+v, want %d", tt.name, a.Error, tt.code)
		}
		want := http.StatusBadRequest
		if tt.code == 0 {
			want = http.StatusOK
		}
		if status != want {
			t.Errorf("%s: status %d, want %d", tt.name, status, want)
		}
	}
	for i, body := range []string{`{"count":5}`, `{"count":6}`} {
		req := request(t, http.MethodPost, s.RESTURL()+"/private/get_access_log", `{"count":5}`)
		data := [3]string{"POST", "/api/v2/private/get_access_log", body}
		req.Header.Set("Authorization", httpSignature(k, data, fmt.Sprint("post", i), time.Now()))
		if a, _ := send(t, req); (a.code() == 0) != (i == 0) {
			t.Errorf("signature of body %s: %+v", body, a.Error)
		}
	}
	if st := s.Stats(); st.Authentications != 1 || st.AuthFailures != 10 {
		t.Errorf("counted %+v", st)
	}
}

func TestRESTForms(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{Name: "before"})
	for _, tt := range []struct {
		name, method, path, kind, body string
		code                           int
		id                             string
	}{
		{"query", "GET", "/private/change_api_key_name?id=1&name=a", "", "", 0, ""},
		{"form", "POST", "/private/change_api_key_name", "application/x-www-form-urlencoded", "id=1&name=b", 0, ""},
		{"JSON-RPC", "POST", "/private/change_api_key_name", "application/json", `{"jsonrpc":"2.0","id":7,"method":"private/change_api_key_name","params":{"id":1,"name":"c"}}`, 0, "7"},
		{"JSON-RPC without a type", "POST", "/private/change_api_key_name", "", `{"jsonrpc":"2.0","id":"x","method":"private/change_api_key_name","params":{"id":1,"name":"d"}}`, 0, `"x"`},
		{"JSON-RPC at the root", "POST", "", "application/json", `{"jsonrpc":"2.0","id":8,"method":"private/change_api_key_name","params":{"id":1,"name":"e"}}`, 0, "8"},
		{"bare parameters", "POST", "/private/change_api_key_name", "application/json", `{"id":1,"name":"f"}`, 0, ""},
		{"not JSON", "POST", "/private/change_api_key_name", "application/json", `{`, -32700, ""},
		{"batch", "POST", "", "application/json", `[]`, 11050, ""},
		{"bad id", "POST", "", "application/json", `{"jsonrpc":"2.0","id":{},"method":"public/test"}`, 11050, ""},
		{"positional", "POST", "", "application/json", `{"jsonrpc":"2.0","id":3,"method":"public/test","params":[]}`, -32602, "3"},
		{"other verb", "DELETE", "/public/test", "", "", 11050, ""},
		{"unknown method", "GET", "/public/nothing", "", "", -32601, ""},
		{"WebSocket only", "GET", `/public/subscribe?channels=["a"]`, "", "", 10030, ""},
		{"logout", "GET", "/private/logout", "", "", 10030, ""},
		{"cancel on disconnect of a connection", "GET", "/private/get_cancel_on_disconnect", "", "", 10030, ""},
		{"of an account", "GET", "/private/get_cancel_on_disconnect?scope=account", "", "", 0, ""},
		{"number that is none", "GET", "/private/reset_api_key?id=x", "", "", -32602, ""},
		{"too large", "POST", "/public/test", "application/json", `{"x":"` + strings.Repeat("x", 32<<10) + `"}`, -32600, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := request(t, tt.method, s.RESTURL()+tt.path, tt.body)
			req.SetBasicAuth(k.ClientID, k.Secret)
			if tt.kind != "" {
				req.Header.Set("Content-Type", tt.kind)
			}
			a, status := send(t, req)
			if a.code() != tt.code || string(a.ID) != tt.id {
				t.Errorf("code %d, id %s; want %d, %s", a.code(), a.ID, tt.code, tt.id)
			}
			if (status == http.StatusOK) != (tt.code == 0) {
				t.Errorf("status %d", status)
			}
		})
	}
	if now, _ := s.Key(k.ID); now.Name != "f" {
		t.Errorf("name %q, want the last one given", now.Name)
	}
}

func TestRESTTypes(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	edit := func(query string) answer {
		req := request(t, http.MethodGet, s.RESTURL()+"/private/edit_api_key?max_scope=account:read&"+query, "")
		req.SetBasicAuth(k.ClientID, k.Secret)
		a, _ := send(t, req)
		return a
	}
	second := s.AddKey(deribittest.KeyConfig{})
	id := fmt.Sprint("id=", second.ID)
	for _, query := range []string{
		`enabled=true&ip_whitelist=["10.0.0.1","10.0.0.2"]`, "ip_whitelist=10.0.0.1,10.0.0.2", "ip_whitelist=10.0.0.1&ip_whitelist=10.0.0.2",
		"ip_whitelist[]=10.0.0.1&ip_whitelist[]=10.0.0.2",
	} {
		type edited struct {
			Whitelist []string `json:"ip_whitelist"`
		}
		if got := result[edited](t, edit(id+"&"+query)); len(got.Whitelist) != 2 || got.Whitelist[1] != "10.0.0.2" {
			t.Errorf("%s: %+v", query, got)
		}
	}
	if a := edit(id + "&enabled=maybe"); a.code() != -32602 || a.Error.Data.Param != "enabled" {
		t.Errorf("a boolean that is none: %+v", a.Error)
	}
}

// A reset over REST has the same effects, once its reply is out.
func TestRESTReset(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{Reset: connectionsClosed})
	k := s.AddKey(deribittest.KeyConfig{})
	c := dial(t, s)
	c.login(k, "")
	req := request(t, http.MethodGet, fmt.Sprint(s.RESTURL(), "/private/reset_api_key?id=", k.ID), "")
	req.SetBasicAuth(k.ClientID, k.Secret)
	a, _ := send(t, req)
	if got := result[apiKey](t, a); got.ClientSecret == k.Secret {
		t.Error("no new secret")
	}
	if code := c.closed(); code != 1001 {
		t.Errorf("close code %d, want going away", code)
	}
}
