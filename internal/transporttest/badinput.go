package transporttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// BadInput hands s each kind of bad URL and each kind of bad frame, and checks the error's type.
func BadInput(t *testing.T, s Subject) {
	t.Helper()
	t.Run(s.Name, func(t *testing.T) {
		badURLs(t, s.Dialer)
		shortLength(t, s.Dialer)
		badFrames(t, s.Dialer)
		forgivable(t, s)
	})
}

func badURLs(t *testing.T, d rpc.Dialer) {
	t.Helper()
	urls := map[string]string{
		"empty":            "",
		"no scheme":        "www.deribit.com/" + secret,
		"http":             "http://www.deribit.com/?token=" + secret,
		"https":            "https://www.deribit.com/?token=" + secret,
		"file":             "file:///etc/" + secret,
		"no host":          "wss:///ws/api/v2?token=" + secret,
		"only a port":      "wss://:443/?token=" + secret,
		"opaque":           "wss:www.deribit.com?token=" + secret,
		"user":             "wss://" + secret + "@www.deribit.com/",
		"user, password":   "wss://user:" + secret + "@www.deribit.com/",
		"fragment":         "wss://www.deribit.com/#" + secret,
		"bad port":         "wss://www.deribit.com:" + secret + "/",
		"bad escape":       "wss://www.deribit.com/%zz" + secret,
		"control byte":     "wss://www.deribit.com/\r\nX-Token: " + secret,
		"space in host":    "wss://www deribit.com/" + secret,
		"homograph":        "wss://www.dеribit.com/?token=" + secret, // the first e is Cyrillic
		"unclosed bracket": "wss://[::1/" + secret,
	}
	for name, raw := range urls {
		t.Run("URL with "+name, func(t *testing.T) {
			t.Parallel()
			refused(t, d, rpc.DialConfig{URL: raw}, 0)
		})
	}
}

// badFrame is what a server sends.
type badFrame struct {
	name string
	wire []byte
	want error // nil for any but the end of the connection, which comes after it
}

func badFrames(t *testing.T, d rpc.Dialer) {
	t.Helper()
	long := text("").header
	frames := []badFrame{
		{"binary message", frame{op: opBinary, payload: []byte("{}")}.bytes(), rpc.ErrMalformed},
		{"longer than the limit", text(strings.Repeat("x", badInputLimit+1)).bytes(), rpc.ErrMessageTooBig},
		{"claims 4 EiB", append(long(1<<62), make([]byte, 2*badInputLimit)...), rpc.ErrMessageTooBig},
		{"claims a negative length", append(long(1<<63), "{}"...), nil},
		{"claims more than there is", append(long(100), "{}"...), io.ErrUnexpectedEOF},
		{"ends in the header", long(1000)[:3], io.ErrUnexpectedEOF},
		{"ends after the header", long(100), io.ErrUnexpectedEOF},
		{"ends between fragments", frame{op: opText, more: true, payload: []byte("{}")}.bytes(), io.ErrUnexpectedEOF},
		{"ends before anything", nil, io.EOF},
		{"continuation of nothing", frame{op: opContinuation, payload: []byte("{}")}.bytes(), nil},
		{"message inside a message", append(frame{op: opText, more: true}.bytes(), text("{}").bytes()...), nil},
		{"compressed though not agreed", frame{op: opText, rsv: 0x40, payload: []byte("{}")}.bytes(), nil},
		{"reserved bit", frame{op: opText, rsv: 0x10, payload: []byte("{}")}.bytes(), nil},
		{"reserved opcode", frame{op: 0x3, payload: []byte("{}")}.bytes(), nil},
		{"fragmented ping", frame{op: opPing, more: true}.bytes(), nil},
		{"long ping", frame{op: opPing, payload: make([]byte, 126)}.bytes(), nil},
		{"close frame of one byte", frame{op: opClose, payload: []byte{3}}.bytes(), nil},
		{"garbage: zeros", make([]byte, 100), nil},
		{"garbage: ones", bytes.Repeat([]byte{0xff}, 100), nil},
		{"garbage: HTTP", []byte("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), nil},
		{"garbage: TLS alert", []byte{0x15, 3, 3, 0, 2, 2, 40}, nil},
	}
	for _, f := range append(frames, badCloseFrames()...) {
		t.Run("frame: "+f.name, func(t *testing.T) {
			t.Parallel()
			tr := connectLimited(t, d, badInputLimit, func(p *peer) error { return p.write(f.wire) })
			msg, err := tr.ReadMessage()
			if f.want != nil && !errors.Is(err, f.want) || f.want == nil && !noticed(err) {
				t.Errorf("got %q, %v, want %v", msg, err, f.want)
			}
		})
	}
}

// shortLength has a header claim less than there is: what follows is read as a frame, and refused as one.
func shortLength(t *testing.T, d rpc.Dialer) {
	t.Helper()
	t.Run("frame: claims less than there is", func(t *testing.T) {
		t.Parallel()
		tr := connect(t, d, func(p *peer) error { return p.write(append(text("").header(2), "{}{}"...)) })
		if msg, err := tr.ReadMessage(); err != nil || string(msg) != "{}" {
			t.Fatalf("got %q, %v, want what the length covers", msg, err)
		}
		if msg, err := tr.ReadMessage(); !noticed(err) {
			t.Errorf("got %q, %v, want an error", msg, err)
		}
	})
}

// forgivable are the violations that a strict dialer refuses and the others pass over.
func forgivable(t *testing.T, s Subject) {
	t.Helper()
	notUTF8 := "\"\xff\xfe\""
	frames := []struct {
		name string
		wire []byte
		want string
	}{
		{"text that is not UTF-8", text(notUTF8).bytes(), notUTF8},
		{"length of 2 in 16 bits", []byte{0x80 | opText, 126, 0, 2, '{', '}'}, "{}"},
		{"length of 2 in 64 bits", []byte{0x80 | opText, 127, 0, 0, 0, 0, 0, 0, 0, 2, '{', '}'}, "{}"},
		{"mask of zeros", []byte{0x80 | opText, 0x80 | 2, 0, 0, 0, 0, '{', '}'}, "{}"},
	}
	for _, f := range frames {
		t.Run("frame: "+f.name, func(t *testing.T) {
			t.Parallel()
			tr := connectLimited(t, s.Dialer, badInputLimit, func(p *peer) error {
				if err := p.write(f.wire); err != nil {
					return err
				}
				return p.drain()
			})
			switch msg, err := tr.ReadMessage(); {
			case s.Strict && err == nil:
				t.Errorf("got %q, want an error", msg)
			case !s.Strict && (err != nil || string(msg) != f.want):
				t.Errorf("got %q, %v, want %q", msg, err, f.want)
			}
		})
	}
}

// badCloseFrames have codes that are never sent, that are reserved for standards to come, or that are out of any range; see
// RFC 6455, section 7.4.
func badCloseFrames() []badFrame {
	codes := []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535}
	frames := make([]badFrame, len(codes))
	for i, code := range codes {
		frames[i] = badFrame{fmt.Sprintf("close frame with code %d", code), closing(code, "").bytes(), nil}
	}
	return frames
}

// noticed reports whether err says that something was wrong before the connection ended.
func noticed(err error) bool {
	return err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// badInputLimit is the read limit that bad frames meet, in bytes.
const badInputLimit = 1000
