package session_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/session/transport/coderws"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

// dialers are all that there are, by name.
var dialers = map[string]rpc.Dialer{"nhooyr": nhooyrws.Dialer{}, "coder": coderws.Dialer{}, "lean": leanws.Dialer{}}

// forEachDialer runs a parallel subtest with each Dialer.
func forEachDialer(t *testing.T, test func(t *testing.T, d rpc.Dialer)) {
	t.Helper()
	t.Parallel()
	for name, d := range dialers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, d)
		})
	}
}

// wire is the far end of a connection over TCP, with frames made by hand: it can be wrong on purpose, and it sees what
// crossed the wire.
type wire struct {
	net.Conn
	in    *bufio.Reader
	pongs int // that have been read
}

// newWires listens on loopback, and plays each connection, numbered from 1, once its opening handshake is done. It returns
// the Config of a session with it: one that says nothing of its own accord.
func newWires(t *testing.T, d rpc.Dialer, play func(n int, w *wire)) session.Config {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	playing(t, l, upgraded(play))
	return session.Config{URL: "ws://" + l.Addr().String(), Dialer: d, Heartbeat: -1, NewBackoff: quickly}
}

// playing plays each connection that l accepts, numbered from 1, until the test ends.
func playing(t *testing.T, l net.Listener, play func(n int, w *wire)) {
	t.Helper()
	var playing sync.WaitGroup
	playing.Go(func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			playing.Go(func() {
				defer conn.Close()
				play(n, &wire{Conn: conn, in: bufio.NewReader(conn)})
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		playing.Wait()
	})
}

// upgraded is play after the opening handshake.
func upgraded(play func(n int, w *wire)) func(n int, w *wire) {
	return func(n int, w *wire) {
		if w.upgrade() == nil { // else a session that was closed has given up dialing
			play(n, w)
		}
	}
}

// upgrade answers the opening handshake.
func (w *wire) upgrade() error {
	req, err := http.ReadRequest(w.in)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		acceptKey(req))
	return err
}

// acceptKey answers the key of an opening handshake.
func acceptKey(req *http.Request) string {
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// errCloseFrame is a close frame in the place of a message.
var errCloseFrame = errors.New("close frame")

// message reads the next frame of the client that answers no ping. If the connection ends inside of it, it returns what there is of it.
func (w *wire) message() ([]byte, error) {
	for {
		opcode, payload, err := w.frame()
		switch {
		case err != nil:
			return payload, err
		case opcode == 8:
			return payload, errCloseFrame
		case opcode != 10:
			return payload, nil
		}
		w.pongs++
	}
}

// frame reads the next frame, as message does.
func (w *wire) frame() (opcode byte, payload []byte, err error) {
	var head [14]byte
	if _, err := io.ReadFull(w.in, head[:2]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1] & 0x7f)
	if long := map[uint64]int{126: 2, 127: 8}[size]; long > 0 {
		if _, err := io.ReadFull(w.in, head[2+8-long:10]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(head[2:10])
	}
	if _, err := io.ReadFull(w.in, head[10:14]); err != nil {
		return 0, nil, err
	}
	payload, err = io.ReadAll(io.LimitReader(w.in, int64(size)))
	for i := range payload {
		payload[i] ^= head[10+i%4]
	}
	if err == nil && uint64(len(payload)) < size {
		err = io.ErrUnexpectedEOF
	}
	return head[0] & 0x0f, payload, err
}

// request reads the next request of the client.
func (w *wire) request() (request, error) {
	msg, err := w.message()
	if err != nil {
		return request{}, err
	}
	var r request
	return r, json.Unmarshal(msg, &r)
}

// header is that of a text frame whose payload is said to have so many bytes.
func header(size uint64) []byte {
	switch {
	case size < 126:
		return []byte{0x81, byte(size)}
	case size < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(size))
	}
	return binary.BigEndian.AppendUint64([]byte{0x81, 127}, size)
}

// answer is the frame that answers a request.
func answer(r request) []byte {
	result := `"ok"`
	if r.Method == "public/auth" {
		result = `{"access_token":"a","refresh_token":"r","token_type":"bearer","expires_in":31536000,"scope":"connection mainaccount"}`
	}
	return text(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":%s}`, r.ID, result))
}

// text is the frame of a text message.
func text(payload string) []byte { return append(header(uint64(len(payload))), payload...) }

// serve answers all requests until the connection ends, and returns their methods.
func (w *wire) serve() []string {
	var methods []string
	for {
		r, err := w.request()
		if err != nil {
			return methods
		}
		methods = append(methods, r.Method)
		if _, err := w.Write(answer(r)); err != nil {
			return methods
		}
	}
}

// wantRecovery waits until the session is ready over its next connection, and makes a call there.
func wantRecovery(t *testing.T, s *session.Session) {
	t.Helper()
	until(t, "the next connection is ready", func() bool { return s.Ready() && s.Stats().Epoch == 2 })
	var got string
	if err := s.Call(t.Context(), "public/hello", nil, &got); err != nil || got != "ok" {
		t.Errorf("a call over the next connection: %q, %v", got, err)
	}
}
