package leanws_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

// answered dials a server that answers with lines, in which KEY stands for the right accept key.
func answered(t *testing.T, lines string) error {
	t.Helper()
	client, server := net.Pipe()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer server.Close()
	wg.Go(func() {
		req, err := http.ReadRequest(bufio.NewReader(server))
		if err != nil {
			t.Errorf("peer: %v", err)
			return
		}
		sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		lines = strings.ReplaceAll(lines, "KEY", base64.StdEncoding.EncodeToString(sum[:]))
		write(t, server, []byte("HTTP/1.1 "+strings.ReplaceAll(lines, "\n", "\r\n")+"\r\n\r\n"))
	})
	tr, err := leanws.Dialer{}.Dial(t.Context(), rpc.DialConfig{
		URL:     "ws://exchange.invalid/",
		NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil },
	})
	if err == nil {
		server.Close() // no close frame is waited for
		tr.Close()
	}
	return err
}

func TestHandshakeIsTaken(t *testing.T) {
	t.Parallel()
	for _, lines := range []string{
		"101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: KEY",
		"101 Whatever\nconnection: keep-alive, UPGRADE\nupgrade: WebSocket\nsec-websocket-accept: KEY",
		"101 \nConnection: keep-alive\nConnection:upgrade\nUpgrade: h2c,websocket\nSec-WebSocket-Accept: KEY",
	} {
		if err := answered(t, lines); err != nil {
			t.Errorf("%s: %v", lines, err)
		}
	}
}

// TestHandshakeIsRefused for one thing that is amiss.
func TestHandshakeIsRefused(t *testing.T) {
	t.Parallel()
	for lines, why := range map[string]string{
		"200 OK\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: KEY":                                                "no upgrade",
		"101 Switching Protocols\nConnection: keep-alive\nUpgrade: websocket\nSec-WebSocket-Accept: KEY":                            "does not upgrade",
		"101 Switching Protocols\nConnection: Upgrades\nUpgrade: websocket\nSec-WebSocket-Accept: KEY":                              "does not upgrade",
		"101 Switching Protocols\nUpgrade: websocket\nSec-WebSocket-Accept: KEY":                                                    "does not upgrade",
		"101 Switching Protocols\nConnection: Upgrade\nUpgrade: h2c\nSec-WebSocket-Accept: KEY":                                     "something else",
		"101 Switching Protocols\nConnection: Upgrade\nSec-WebSocket-Accept: KEY":                                                   "something else",
		"101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: KEYKEY":                            "accept key",
		"101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket":                                                          "accept key",
		"101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: KEY\nSec-WebSocket-Extensions: x":  "Extensions",
		"101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: KEY\nSec-WebSocket-Protocol: json": "Protocol",
	} {
		if err := answered(t, lines); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", lines, err, why)
		}
	}
}
