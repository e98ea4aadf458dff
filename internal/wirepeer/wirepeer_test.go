package wirepeer_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/session"
)

func TestMain(m *testing.M) {
	wirepeer.Main()
	leaktest.Main(m)
}

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, nil) //nolint:bodyclose // there is none
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// answer is what a JSON-RPC client sees.
type answer struct {
	JSONRPC string
	ID      json.RawMessage
	Result  json.RawMessage
	UsIn    int64
	UsOut   int64
	UsDiff  int64
}

func ask(t *testing.T, conn *websocket.Conn, request string) answer {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(request)); err != nil {
		t.Fatal(err)
	}
	_, msg, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(msg, &a); err != nil {
		t.Fatalf("%q: %v", msg, err)
	}
	return a
}

func TestEveryRequestIsAnswered(t *testing.T) {
	t.Parallel()
	conn := dial(t, wirepeer.Start(t).URL())
	megabyte := strings.Repeat("x", 1<<20)
	for id, request := range map[string]string{
		`1`:          `{"jsonrpc":"2.0","id":1,"method":"private/buy","params":{}}`,
		`"two"`:      `{"method":"a","params":{"id":7,"b":["}",{"id":8}]},"id":"two","jsonrpc":"2.0"}`,
		`"a\"b\\"`:   ` { "params" : [ ] , "id" : "a\"b\\" , "method" : "m" } `,
		`9007199254`: `{"id":9007199254,"params":{"label":"` + megabyte + `"},"method":"m"}`,
	} {
		a := ask(t, conn, request)
		if string(a.ID) != id || a.JSONRPC != "2.0" || a.UsDiff != a.UsOut-a.UsIn {
			t.Errorf("id %s: got %s in %+v", id, a.ID, a)
		}
		var result struct {
			Order struct {
				ID string `json:"order_id"`
			}
		}
		if err := json.Unmarshal(a.Result, &result); err != nil || result.Order.ID == "" || len(a.Result) < 280 || len(a.Result) > 340 {
			t.Errorf("id %s: result of %d bytes, %v: %s", id, len(a.Result), err, a.Result)
		}
	}
	if err := conn.Ping(conn.CloseRead(t.Context())); err != nil {
		t.Errorf("ping: %v", err)
	}
}

func TestResultHasTheSizeThatWasAskedFor(t *testing.T) {
	t.Parallel()
	peer := wirepeer.Start(t)
	for _, size := range []int{2, 100, 1000, 70_000, 2 << 20} {
		conn := dial(t, fmt.Sprintf("%s?result=%d", peer.URL(), size))
		if a := ask(t, conn, `{"id":1,"method":"m"}`); len(a.Result) != size {
			t.Errorf("result of %d bytes, want %d", len(a.Result), size)
		}
	}
}

func TestCloseIsAnswered(t *testing.T) {
	t.Parallel()
	peer := wirepeer.Start(t)
	if err := dial(t, peer.URL()).Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	conn := dial(t, peer.URL())
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"id":1,"method":"private/logout"}`)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("after logout: %v", err)
	}
}

func TestFragmentsAreOneRequest(t *testing.T) {
	t.Parallel()
	conn := dial(t, wirepeer.Start(t).URL())
	w, err := conn.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`{"id":`, strings.Repeat(" ", 5000), `"x","method"`, `:"m"}`} {
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, msg, err := conn.Read(t.Context())
	if err != nil || !strings.Contains(string(msg), `"id":"x"`) {
		t.Errorf("got %q, %v", msg, err)
	}
}

func TestRawFloors(t *testing.T) {
	t.Parallel()
	peer := wirepeer.Start(t)
	pingPong, err := peer.PingPong(t.Context(), 150, 500)
	if err != nil {
		t.Fatal(err)
	}
	defer pingPong.Close()
	for _, n := range []int{1, 64, 1000} {
		if _, err := pingPong.Write(make([]byte, n*150)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(pingPong, make([]byte, n*500)); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := peer.Stream(t.Context(), 316)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for _, n := range []int{1, 1000} {
		if _, err := stream.Write(binary.BigEndian.AppendUint64(nil, uint64(n))); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(stream, make([]byte, n*316)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSessionSubscribesAndSeesNoGap(t *testing.T) {
	t.Parallel()
	url := wirepeer.Start(t).URL()
	for name, credentials := range map[string]session.CredentialSource{
		"public":  nil,
		"private": session.Credentials{ClientID: "id", Secret: session.NewSecret([]byte("secret")), Generation: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := session.Dial(t.Context(), session.Config{
				URL: url, Credentials: credentials, Scope: "trade:read_write", CancelOnDisconnect: credentials != nil,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			})
			checkStream(t, s)
		})
	}
}

// checkStream asks twice for more notifications than one write holds.
func checkStream(t *testing.T, s *session.Session) {
	t.Helper()
	const count = 1000
	channels := []string{"book.BTC-PERPETUAL.100ms", "book.ETH-PERPETUAL.100ms", "ticker.BTC_USDC-27NOV26-100000-C.100ms"}
	const head, tail = `{"jsonrpc":"2.0","method":"subscription","params":{"channel":"","data":`, `}}`
	seen := make(chan int, 3*count) // bytes of each message
	sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{
		Handler: func(n session.Notification) { seen <- len(head) + len(n.Channel) + len(n.Data) + len(tail) },
		OnGap:   func(err error) { t.Errorf("gap: %v", err) },
	}, channels...)
	if err != nil {
		t.Fatal(err)
	}
	for _, which := range []string{`3`, `["book.ETH-PERPETUAL.100ms"]`, `2`} {
		params := map[string]any{"count": count, "channels": json.RawMessage(which)}
		if err := s.Call(t.Context(), "public/stream", params, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 * count {
		if n := <-seen; n != wirepeer.NotificationSize {
			t.Fatalf("a notification of %d bytes, want %d", n, wirepeer.NotificationSize)
		}
	}
	for _, ch := range s.Channels() {
		if ch.Gaps > 0 {
			t.Errorf("gaps: %+v", ch)
		}
	}
	if err := sub.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
