package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// far is a scripted exchange in memory: a Dialer whose connections are played by a script. It works in and outside
// synctest bubbles.
type far struct {
	t      *testing.T
	script script
	refuse func(attempt int) error // says whether a dial fails; nil for never
	hang   atomic.Bool             // no dial succeeds

	playing sync.WaitGroup

	mu    sync.Mutex // protects the fields below
	peers []*peer
	dials int
	log   []string // "CONNECTION METHOD" of every request, in order
}

// script says what is answered to a method; what it does not list is answered as an exchange does that has no objections.
type script map[string]func(p *peer, r request)

type request struct {
	ID     uint64          `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// peer is the far end of one connection.
type peer struct {
	far      *far
	number   int // of the connection, from 1
	toClient chan []byte
	toServer chan []byte
	closed   chan struct{}
	once     sync.Once
	stalled  atomic.Bool // it does not read any more
}

func newFar(t *testing.T, s script) *far {
	t.Helper()
	f := &far{t: t, script: s}
	t.Cleanup(func() {
		for _, p := range f.all() {
			p.close()
		}
		f.playing.Wait()
	})
	return f
}

// Dial implements rpc.Dialer.
func (f *far) Dial(ctx context.Context, _ rpc.DialConfig) (rpc.Transport, error) {
	f.mu.Lock()
	f.dials++
	attempt := f.dials
	f.mu.Unlock()
	if f.refuse != nil {
		if err := f.refuse(attempt); err != nil {
			return nil, err
		}
	}
	if f.hang.Load() {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	p := &peer{far: f, toClient: make(chan []byte, 4096), toServer: make(chan []byte, 4096), closed: make(chan struct{})}
	f.mu.Lock()
	f.peers = append(f.peers, p)
	p.number = len(f.peers)
	f.mu.Unlock()
	f.playing.Go(p.play)
	return p, nil
}

func (f *far) all() []*peer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.peers)
}

// last is the newest connection.
func (f *far) last() *peer {
	peers := f.all()
	return peers[len(peers)-1]
}

// requests are the methods that came over connection n, 0 for all, without those of heartbeats.
func (f *far) requests(n int) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var methods []string
	for _, line := range f.log {
		number, method, _ := strings.Cut(line, " ")
		if n == 0 || number == strconv.Itoa(n) {
			methods = append(methods, method)
		}
	}
	return methods
}

// count is how often a method came.
func (f *far) count(method string) int {
	n := 0
	for _, m := range f.requests(0) {
		if m == method {
			n++
		}
	}
	return n
}

func (p *peer) play() {
	for {
		select {
		case frame := <-p.toServer:
			var r request
			if err := json.Unmarshal(frame, &r); err != nil {
				p.far.t.Errorf("the session sent %q: %v", frame, err)
				return
			}
			p.far.mu.Lock()
			p.far.log = append(p.far.log, fmt.Sprintf("%d %s", p.number, r.Method))
			p.far.mu.Unlock()
			if act, ok := p.far.script[r.Method]; ok {
				act(p, r)
			} else {
				p.comply(r)
			}
		case <-p.closed:
			return
		}
	}
}

// comply answers as an exchange without objections does.
func (p *peer) comply(r request) {
	switch r.Method {
	case "public/auth":
		p.grant(r, 31536000)
	case "public/subscribe", "private/subscribe", "public/unsubscribe", "private/unsubscribe":
		p.answer(r, channelsOf(r))
	case "private/get_cancel_on_disconnect":
		p.answer(r, map[string]any{"scope": "connection", "enabled": true})
	case "private/logout":
		p.close()
	default:
		p.answer(r, "ok")
	}
}

// grant answers public/auth with a token of a life in seconds and the scope that was asked for.
func (p *peer) grant(r request, seconds int64) {
	var asked struct {
		Scope string `json:"scope"`
	}
	if err := json.Unmarshal(r.Params, &asked); err != nil {
		p.far.t.Errorf("public/auth: %v", err)
	}
	p.answer(r, map[string]any{
		"access_token": "token-" + canary, "refresh_token": "refresh-" + canary, "token_type": "bearer",
		"expires_in": seconds, "scope": asked.Scope + " mainaccount",
	})
}

func channelsOf(r request) []string {
	var params struct {
		Channels []string `json:"channels"`
	}
	if json.Unmarshal(r.Params, &params) != nil {
		return nil
	}
	return params.Channels
}

func (p *peer) answer(r request, result any) {
	b, err := json.Marshal(result)
	if err != nil {
		p.far.t.Errorf("answer: %v", err)
	}
	p.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":%s,"usIn":1,"usOut":2,"usDiff":1,"testnet":true}`, r.ID, b))
}

func (p *peer) refuse(r request, code int, message string) {
	p.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"error":{"code":%d,"message":%q}}`, r.ID, code, message))
}

// notify sends a notification whose data is JSON.
func (p *peer) notify(channel, data string) {
	p.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"subscription","params":{"channel":%q,"data":%s}}`, channel, data))
}

func (p *peer) testRequest() {
	p.send(`{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}`)
}

func (p *peer) send(frame string) {
	select {
	case p.toClient <- []byte(frame):
	case <-p.closed:
	}
}

func (p *peer) close() { p.once.Do(func() { close(p.closed) }) }

// ReadMessage implements rpc.Transport. What was sent before the close arrives, as it does over TCP.
func (p *peer) ReadMessage() ([]byte, error) {
	select {
	case frame := <-p.toClient:
		return frame, nil
	default:
	}
	select {
	case frame := <-p.toClient:
		return frame, nil
	case <-p.closed:
	}
	select {
	case frame := <-p.toClient:
		return frame, nil
	default:
		return nil, io.ErrUnexpectedEOF
	}
}

// WriteMessages implements rpc.Transport.
func (p *peer) WriteMessages(msgs ...[]byte) error {
	for _, msg := range msgs {
		if p.stalled.Load() {
			<-p.closed
		}
		select {
		case <-p.closed:
			return io.ErrClosedPipe
		case p.toServer <- bytes.Clone(msg):
		}
	}
	return nil
}

// Close implements rpc.Transport.
func (p *peer) Close() error {
	p.close()
	return nil
}

// silent is a script entry that never answers.
func silent(*peer, request) {}

// refusing is a script entry that answers with an error.
func refusing(code int, message string) func(*peer, request) {
	return func(p *peer, r request) { p.refuse(r, code, message) }
}

// scripted is the Config of a session with a scripted exchange.
func scripted(f *far) session.Config {
	return session.Config{
		URL: "ws://localhost/ws/api/v2", Dialer: f, Name: "test", NewBackoff: quickly,
		Credentials: session.Credentials{ClientID: "client", Secret: session.NewSecret([]byte(canary)), Generation: 1},
	}
}

// dial opens a session that the test's end closes.
func dial(t *testing.T, cfg session.Config) *session.Session {
	t.Helper()
	s, err := session.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	closeAtEnd(t, s)
	return s
}

func closeAtEnd(t *testing.T, s *session.Session) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() {
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}
