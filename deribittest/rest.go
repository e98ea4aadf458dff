package deribittest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// serveREST serves GET and POST on /api/v2/{public|private}/..., and JSON-RPC posted to /api/v2.
func (s *Server) serveREST(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var fault *rpcError
	switch _, tooLarge := errors.AsType[*http.MaxBytesError](err); {
	case tooLarge:
		fault = newError(codeTooLarge, "request entity too large")
	case err != nil:
		return // the client is gone
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		fault = badRequest("method", "GET or POST expected")
	}
	var m message
	if fault == nil {
		m, fault = readREST(r, body)
	}
	if on := s.cfg.OnFrame; on != nil {
		on(Frame{Incoming: true, Method: m.method, Data: restData(r, body)})
	}
	req := &request{message: m, ip: remoteIP(r)}
	reply, status := s.answerREST(r, body, req, fault)
	if on := s.cfg.OnFrame; on != nil {
		on(Frame{Method: m.method, Data: reply})
	}
	if req.ends {
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(reply) //nolint:gosec // JSON, and typed so; the client may be gone, the call has had its effect
	if req.after != nil {
		_ = http.NewResponseController(w).Flush() // the reply goes first
		s.locked(func(*exchange) { req.after() })
	}
}

func restData(r *http.Request, body []byte) []byte {
	if len(body) > 0 {
		return body
	}
	return []byte(r.URL.RawQuery)
}

// answerREST runs a request and returns the reply with its HTTP status: 400 for every error, as the exchange does.
func (s *Server) answerREST(r *http.Request, body []byte, req *request, fault *rpcError) ([]byte, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ex.stats.FramesIn++
	s.ex.stats.FramesOut++
	req.now = s.ex.now()
	if fault == nil {
		req.grant, fault = s.ex.credentials(r, body, req)
	}
	result, fault := s.ex.serve(req, fault)
	status := http.StatusOK
	if fault != nil {
		status = http.StatusBadRequest
	}
	return encodeReply(req.id, result, fault, req.now, s.ex.now()), status
}

// readREST finds the method and the parameters of an HTTP request.
func readREST(r *http.Request, body []byte) (message, *rpcError) {
	m := message{method: strings.Trim(strings.TrimPrefix(r.URL.Path, restPath), "/")}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	text := bytes.TrimSpace(body)
	switch {
	case len(text) == 0:
		m.params = encode(typedParams(r.URL.Query()))
		return m, nil
	case text[0] == '{', text[0] == '[', kind == "application/json":
		return readRESTJSON(m, text)
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return m, newError(codeParse, "Parse error")
	}
	m.params = encode(typedParams(form))
	return m, nil
}

// readRESTJSON reads a JSON body: a JSON-RPC request, whose id need not be there, or the bare parameters. A method in the
// path goes before one in the body.
func readRESTJSON(m message, text []byte) (message, *rpcError) {
	if !json.Valid(text) {
		return m, newError(codeParse, "Parse error")
	}
	var e envelope
	if text[0] != '{' || json.Unmarshal(text, &e) != nil {
		return m, badRequest("request", "object expected")
	}
	if len(e["jsonrpc"]) == 0 && len(e["method"]) == 0 && len(e["params"]) == 0 {
		m.params = text
		return m, nil
	}
	if len(e["id"]) > 0 && !validID(e["id"]) {
		return m, badRequest("id", "integer or string required")
	}
	m.id = e["id"]
	var name string
	if len(e["method"]) > 0 && json.Unmarshal(e["method"], &name) != nil {
		return m, badRequest("method", "string expected")
	}
	m.method = cmp.Or(m.method, name)
	var fault *rpcError
	m.params, fault = paramsObject(e["params"])
	return m, fault
}

// credentials reads the Authorization header: Bearer with an access token, Basic with a key's credentials, or
// deri-hmac-sha256 with a signature of the request.
func (ex *exchange) credentials(r *http.Request, body []byte, req *request) (*grant, *rpcError) {
	kind, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	var g *grant
	fault := newError(codeInvalidCredentials, "invalid_credentials")
	switch strings.ToLower(kind) {
	case "":
		return nil, nil
	case "bearer":
		ex.noteSecret(value)
		g, fault = ex.byAccess(value), ex.noAuthority()
	case "basic":
		g = ex.basic(value, req)
	case "deri-hmac-sha256":
		g = ex.signedRequest(r, value, body, req)
	}
	if g == nil {
		ex.stats.AuthFailures++
		return nil, fault
	}
	return g, nil
}

func (ex *exchange) basic(value string, req *request) *grant {
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	if err != nil {
		return nil
	}
	id, secret, _ := strings.Cut(string(text), ":")
	ex.noteSecret(secret)
	k := ex.clients[id]
	if ex.prove(k, authParams{GrantType: "client_credentials", ClientID: id, ClientSecret: secret}, req) != nil {
		return nil
	}
	return requestGrant(k, req)
}

// signedRequest checks a header such as id=K,ts=1,sig=hex,nonce=n. What is signed is
// ts, nonce, HTTP method, URI and body, each ended by a newline.
func (ex *exchange) signedRequest(r *http.Request, value string, body []byte, req *request) *grant {
	fields := make(map[string]string)
	for part := range strings.SplitSeq(value, ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = v
	}
	ex.noteSecret(fields["sig"])
	k := ex.clients[fields["id"]]
	signed := strings.Join([]string{fields["ts"], fields["nonce"], r.Method, r.RequestURI, string(body), ""}, "\n")
	if fields["nonce"] == "" || !k.usableFrom(req.ip) || !k.verify(signature{fields["ts"], fields["nonce"], signed, fields["sig"]}, req.now) {
		return nil
	}
	return requestGrant(k, req)
}

// requestGrant is the authority of one request that carried a key's credentials.
func requestGrant(k *key, req *request) *grant {
	return &grant{key: k, expires: req.now.Add(time.Minute)}
}
