package leanws_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

// Opcodes of RFC 6455.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// pair returns a transport and the server's end of its connection, past the handshake. The network has no buffers.
func pair(t *testing.T) (rpc.Transport, net.Conn) {
	t.Helper()
	return pairWith(t, rpc.DialConfig{})
}

// pairWith is pair for a client with more to say than the URL.
func pairWith(t *testing.T, cfg rpc.DialConfig) (rpc.Transport, net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { accept(t, server) })
	cfg.URL = "ws://exchange.invalid/"
	cfg.NetDial = func(context.Context, string, string) (net.Conn, error) { return client, nil }
	tr, err := leanws.Dialer{}.Dial(t.Context(), cfg)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		tr.Close()
	})
	return tr, server
}

// accept performs the server's half of the handshake.
func accept(t *testing.T, server net.Conn) {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(server))
	if err != nil {
		t.Errorf("peer: %v", err)
		return
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	write(t, server, []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n"))
}

func write(t *testing.T, conn net.Conn, p []byte) {
	t.Helper()
	if _, err := conn.Write(p); err != nil {
		t.Errorf("peer: %v", err)
	}
}

// frame is a final frame of a server.
func frame(opcode byte, payload string) []byte {
	head := []byte{0x80 | opcode, byte(len(payload))}
	switch {
	case len(payload) > 0xffff:
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, uint64(len(payload)))
	case len(payload) > 125:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(len(payload)))
	}
	return append(head, payload...)
}

// receive reads a client's frame of less than 126 bytes.
func receive(t *testing.T, conn net.Conn) (opcode byte, payload string) {
	t.Helper()
	var head [6]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		t.Fatalf("peer: %v", err)
	}
	p := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(conn, p); err != nil {
		t.Fatalf("peer: %v", err)
	}
	for i := range p {
		p[i] ^= head[2+i%4]
	}
	return head[0] & 0xf, string(p)
}

// burst is n text messages of size bytes.
func burst(n, size int) []byte {
	return []byte(strings.Repeat(string(frame(opText, strings.Repeat("x", size))), n))
}
