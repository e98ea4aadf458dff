package rpc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// appender is an Appender of a fixed text.
type appender struct {
	text string
	err  error
}

func (a appender) AppendJSON(dst []byte) ([]byte, error) { return append(dst, a.text...), a.err }

type noMap map[string]int

func TestParams(t *testing.T) {
	t.Parallel()
	errOwn := errors.New("own")
	for _, tt := range []struct {
		name   string
		params any
		want   string // empty if the call fails
		is     error
	}{
		{name: "nil", params: nil, want: `{}`},
		{name: "nil map", params: noMap(nil), want: `{}`},
		{name: "nil pointer", params: (*struct{})(nil), want: `{}`},
		{name: "object", params: map[string]any{"a": "<"}, want: `{"a":"\u003c"}`},
		{name: "array", params: []int{1, 2}, want: `[1,2]`},
		{name: "raw", params: json.RawMessage(`{"a":1}`), want: `{"a":1}`},
		{name: "appender", params: appender{text: `{"a":1}`}, want: `{"a":1}`},
		{name: "long appender", params: appender{text: `["` + strings.Repeat("x", 100_000) + `"]`}, want: `["` + strings.Repeat("x", 100_000) + `"]`},
		{name: "failing appender", params: appender{text: `{"a`, err: errOwn}, is: errOwn},
		{name: "empty appender", params: appender{}, is: rpc.ErrEncode},
		{name: "string", params: "a", is: rpc.ErrEncode},
		{name: "number", params: 1, is: rpc.ErrEncode},
		{name: "channel", params: make(chan int), is: rpc.ErrEncode},
		{name: "broken raw", params: json.RawMessage(`{"a"`), is: rpc.ErrEncode},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPeer()
			p.echo()
			c := newConn(t, p, rpc.Config{})
			got, err := c.CallRaw(t.Context(), "public/echo", tt.params, nil)
			if string(got) != tt.want || !errors.Is(err, tt.is) {
				t.Errorf("CallRaw = %.99s, %v; want %.99s, %v", got, err, tt.want, tt.is)
			}
			if tt.is != nil && (!rpc.SafeToRetry(err) || c.Stats().Sent != 0) {
				t.Errorf("%v is not safe to retry, or %d sent", err, c.Stats().Sent)
			}
		})
	}
}

func TestFrame(t *testing.T) {
	t.Parallel()
	p := newPeer()
	frames := make(chan string, 1)
	p.onWrite = func(msgs [][]byte) error {
		frames <- string(msgs[0])
		p.answer(parseRequest(msgs[0]).ID, "0")
		return nil
	}
	c := newConn(t, p, rpc.Config{})
	for _, method := range []string{"private/buy", "", `qu"ote`, "uml\u00e4ut", "back\\slash", "new\nline", "html<"} {
		pending, err := c.Send(t.Context(), method, []int{1})
		if err != nil {
			t.Fatal(err)
		}
		if err := pending.Wait(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		frame := <-frames
		got := parseRequest([]byte(frame))
		if got.JSONRPC != "2.0" || got.ID != pending.ID() || got.Method != method || string(got.Params) != "[1]" {
			t.Errorf("frame of %q is %s", method, frame)
		}
	}
}

func TestMaxRequestIsExact(t *testing.T) {
	t.Parallel()
	frame := len(`{"jsonrpc":"2.0","id":,"method":"public/echo","params":[]}`)
	for _, tt := range []struct {
		over int
		is   error
	}{{0, nil}, {1, rpc.ErrMessageTooBig}} {
		p := newPeer()
		p.echo()
		c := newConn(t, p, rpc.Config{MaxRequest: 1000})
		probe, err := c.Send(t.Context(), "public/echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		digits := len(strconv.FormatUint(probe.ID()+1, 10))
		fill := appender{text: "[" + strings.Repeat(" ", 1000-frame-digits+tt.over) + "]"}
		if err := c.Call(t.Context(), "public/echo", fill, nil); !errors.Is(err, tt.is) {
			t.Errorf("%d bytes: %v; want %v", 1000+tt.over, err, tt.is)
		}
	}
}

func TestCodec(t *testing.T) {
	t.Parallel()
	p := newPeer()
	p.echo()
	c := newConn(t, p, rpc.Config{Codec: rpc.Codec{
		Marshal: func(any) ([]byte, error) { return []byte(`["own"]`), nil },
		Unmarshal: func(data []byte, v any) error {
			*v.(*string) = "decoded " + string(data)
			return nil
		},
	}})
	got, err := rpc.Call[string](t.Context(), c, "public/echo", 1)
	if err != nil || got != `decoded ["own"]` {
		t.Errorf("Call = %s, %v", got, err)
	}
}

// TestSensitive keeps hold of the buffers of a sensitive call, as a debugger would.
func TestSensitive(t *testing.T) {
	t.Parallel()
	const secret = "correct horse battery staple"
	p := newPeer()
	var request, encoded, decoded, frame []byte
	p.onWrite = func(msgs [][]byte) error {
		request = msgs[0]
		frame = fmt.Appendf(nil, `{"id":%d,"result":{"secret":%q}}`, parseRequest(msgs[0]).ID, secret)
		p.incoming <- frame
		return nil
	}
	c := newConn(t, p, rpc.Config{
		Handler:   p.handle,
		Sensitive: func(method string) bool { return method == "public/auth" },
		Codec: rpc.Codec{
			Marshal: func(v any) (text []byte, err error) {
				text, err = json.Marshal(v)
				encoded = text
				return text, err
			},
			Unmarshal: func(data []byte, v any) error {
				decoded = data
				return json.Unmarshal(data, v)
			},
		},
	})
	var result map[string]string
	err := c.Call(t.Context(), "public/auth", map[string]string{"client_secret": secret}, &result)
	if err != nil || result["secret"] != secret {
		t.Fatalf("Call = %v, %v", result, err)
	}
	p.barrier()
	for name, buf := range map[string][]byte{"request": request, "params": encoded, "result": decoded, "reply": frame} {
		if len(buf) == 0 || len(bytes.Trim(buf, "\x00")) > 0 {
			t.Errorf("%s is left: %d bytes", name, len(buf))
		}
	}
}

// TestSensitiveLateAnswer abandons a sensitive call, and one that is not.
func TestSensitiveLateAnswer(t *testing.T) {
	t.Parallel()
	p := newPeer()
	c := newConn(t, p, rpc.Config{
		Handler:   p.handle,
		Sensitive: func(method string) bool { return method == "public/auth" },
	})
	for method, wiped := range map[string]bool{"public/auth": true, "public/test": false} {
		frame := fmt.Appendf(nil, `{"id":%d,"result":"secret"}`, abandon(t, c, method))
		p.incoming <- frame
		p.barrier()
		if left := len(bytes.Trim(frame, "\x00")) > 0; left == wiped {
			t.Errorf("late answer to %s is left: %t", method, left)
		}
	}
}

// TestSensitiveReasonsAreHidden has codecs whose errors quote what they saw.
func TestSensitiveReasonsAreHidden(t *testing.T) {
	t.Parallel()
	quoting := errors.New("cannot read secret")
	for _, sensitive := range []bool{true, false} {
		p := newPeer()
		p.echo()
		fails := func([]byte, any) error { return quoting }
		c := newConn(t, p, rpc.Config{
			Sensitive: func(string) bool { return sensitive },
			Codec:     rpc.Codec{Unmarshal: fails},
		})
		for want, err := range map[error]error{
			rpc.ErrEncode: c.Call(t.Context(), "public/auth", appender{err: quoting}, nil),
			rpc.ErrDecode: c.Call(t.Context(), "public/auth", nil, new(int)),
		} {
			if !errors.Is(err, want) || errors.Is(err, quoting) == sensitive || strings.Contains(err.Error(), "secret") == sensitive {
				t.Errorf("sensitive %t: %v", sensitive, err)
			}
		}
	}
}
