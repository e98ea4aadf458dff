package deribittest_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/schematest"
)

// newServer starts a server whose every message is held against the published schemas, and which is closed when the test
// ends.
func newServer(t *testing.T, cfg deribittest.Config) *deribittest.Server {
	t.Helper()
	s, _ := validated(t, cfg)
	return s
}

// validated is newServer with its validator, which counts what it judged.
func validated(t *testing.T, cfg deribittest.Config) (*deribittest.Server, *schematest.Validator) {
	t.Helper()
	v := schematest.Load(t)
	told := cfg.OnFrame
	cfg.OnFrame = func(f deribittest.Frame) {
		if !f.Incoming {
			v.Sent(f.Conn, f.Method, f.Data)
		}
		if told != nil {
			told(f)
		}
	}
	s, err := deribittest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, v
}

// memoryServer is newServer on a listener of its own, for synctest bubbles. The market stands still.
func memoryServer(t *testing.T, cfg deribittest.Config) (*deribittest.Server, *deribittest.MemoryListener) {
	t.Helper()
	l := deribittest.NewMemoryListener()
	cfg.Listener = l
	cfg.Tick = -1
	return newServer(t, cfg), l
}

// pass lets the time of a bubble pass.
func pass(d time.Duration) { <-time.After(d) }

// answer is a reply as a client sees it.
type answer struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *answerError    `json:"error"`
	Testnet *bool           `json:"testnet"`
	UsIn    int64           `json:"usIn"`
	UsOut   int64           `json:"usOut"`
	UsDiff  int64           `json:"usDiff"`
	Method  string          `json:"method"`
	Params  struct {
		Channel string          `json:"channel"`
		Label   string          `json:"label"`
		Type    string          `json:"type"`
		Data    json.RawMessage `json:"data"`
	} `json:"params"`
}

type answerError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		Reason string `json:"reason"`
		Param  string `json:"param"`
	} `json:"data"`
}

// code is the error code of a reply, 0 for a success.
func (a answer) code() int {
	if a.Error == nil {
		return 0
	}
	return a.Error.Code
}

// result decodes the result of a successful reply.
func result[T any](t *testing.T, a answer) T {
	t.Helper()
	if a.Error != nil {
		t.Fatalf("error %d %s %+v", a.Error.Code, a.Error.Message, a.Error.Data)
	}
	var v T
	if err := json.Unmarshal(a.Result, &v); err != nil {
		t.Fatalf("result %s: %v", a.Result, err)
	}
	return v
}

// decode reads the data of a notification.
func decode(t *testing.T, a answer, into any) {
	t.Helper()
	if err := json.Unmarshal(a.Params.Data, into); err != nil {
		t.Fatalf("data %s: %v", a.Params.Data, err)
	}
}

type params = map[string]any

// client is a plain WebSocket client that knows nothing of the exchange. It reads one message at a time.
type client struct {
	t        *testing.T
	ws       *websocket.Conn
	patience time.Duration // for one message
	next     int
	seen     []answer // messages read while waiting for another
}

// dial connects to a server on loopback.
func dial(t *testing.T, s *deribittest.Server) *client {
	t.Helper()
	return connect(t, s, http.DefaultClient)
}

// dialMemory connects to a server over its memory listener.
func dialMemory(t *testing.T, s *deribittest.Server, l *deribittest.MemoryListener) *client {
	t.Helper()
	c := connect(t, s, memoryHTTP(l))
	c.patience = time.Hour // of the bubble
	return c
}

func memoryHTTP(l *deribittest.MemoryListener) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return l.DialContext(ctx, network, addr)
	}, DisableKeepAlives: true}}
}

func connect(t *testing.T, s *deribittest.Server, h *http.Client) *client {
	t.Helper()
	ws, resp, err := websocket.Dial(t.Context(), s.URL(), &websocket.DialOptions{HTTPClient: h})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body != nil {
		resp.Body.Close()
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { ws.CloseNow() })
	return &client{t: t, ws: ws, patience: 20 * time.Second}
}

// send writes a text.
func (c *client) send(text string) {
	c.t.Helper()
	if err := c.ws.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// start sends a request and returns its id.
func (c *client) start(method string, p params) string {
	c.t.Helper()
	c.next++
	id := strconv.Itoa(c.next)
	text, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": c.next, "method": method, "params": p})
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(string(text))
	return id
}

// read returns the next message from the wire.
func (c *client) read() (answer, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), c.patience)
	defer cancel()
	_, data, err := c.ws.Read(ctx)
	if err != nil {
		return answer{}, err
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		c.t.Fatalf("message %q: %v", data, err)
	}
	return a, nil
}

// must returns the next message from the wire.
func (c *client) must() answer {
	c.t.Helper()
	a, err := c.read()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return a
}

// wait returns the reply to a request, keeping what comes before it in seen.
func (c *client) wait(id string) answer {
	c.t.Helper()
	for i, a := range c.seen {
		if string(a.ID) == id {
			c.seen = append(c.seen[:i:i], c.seen[i+1:]...)
			return a
		}
	}
	for {
		a := c.must()
		if string(a.ID) == id {
			return a
		}
		c.seen = append(c.seen, a)
	}
}

// call sends a request and returns its reply.
func (c *client) call(method string, p params) answer {
	c.t.Helper()
	return c.wait(c.start(method, p))
}

// notification returns the next message of a channel, seen or to come.
func (c *client) notification(channel string) answer {
	c.t.Helper()
	for i, a := range c.seen {
		if a.Params.Channel == channel {
			c.seen = append(c.seen[:i:i], c.seen[i+1:]...)
			return a
		}
	}
	for {
		a := c.must()
		if a.Params.Channel == channel {
			return a
		}
		c.seen = append(c.seen, a)
	}
}

// closed reads until the server has closed the connection and returns the close code, -1 when it was cut.
func (c *client) closed() websocket.StatusCode {
	c.t.Helper()
	for {
		a, err := c.read()
		if err != nil {
			return websocket.CloseStatus(err)
		}
		c.seen = append(c.seen, a)
	}
}

type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int64  `json:"expires_in"`
	Scope        string `json:"scope"`
	TokenType    string `json:"token_type"`
	State        string `json:"state"`
	SID          string `json:"sid"`
}

// login authenticates with the key's secret, asking for a scope.
func (c *client) login(k deribittest.Key, scope string) tokens {
	c.t.Helper()
	return result[tokens](c.t, c.call("public/auth", params{
		"grant_type": "client_credentials", "client_id": k.ClientID, "client_secret": k.Secret, "scope": scope,
	}))
}
