package leanws

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it; nothing secret depends on it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/holdfast-ws/holdfast/rpc"
)

// acceptGUID is the constant of RFC 6455, section 1.3.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// shake performs the opening handshake. The reader begins with the first byte after it.
func shake(ctx context.Context, client *http.Client, cfg rpc.DialConfig) (io.Reader, *http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http"+strings.TrimPrefix(cfg.URL, "ws"), http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Header != nil {
		req.Header = cfg.Header.Clone()
	}
	key := newKey()
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", key)
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	if err := verify(resp, key); err != nil {
		return nil, resp, errors.Join(err, resp.Body.Close())
	}
	return resp.Body, resp, nil
}

func newKey() string {
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// verify checks the handshake's answer as RFC 6455, section 4.1, demands it.
func verify(resp *http.Response, key string) error {
	sum := sha1.Sum([]byte(key + acceptGUID)) //nolint:gosec // as above
	h := resp.Header
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return errors.New("websocket: no upgrade")
	case !hasToken(h["Connection"], "upgrade"):
		return errors.New("websocket: answer does not upgrade the connection")
	case !hasToken(h["Upgrade"], "websocket"):
		return errors.New("websocket: answer upgrades to something else")
	case h.Get("Sec-Websocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("websocket: answer proves no WebSocket: its accept key is wrong")
	}
	for _, name := range []string{"Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} {
		if h.Get(name) != "" {
			return fmt.Errorf("websocket: answer has a %s that nobody asked for", name)
		}
	}
	return nil
}

// hasToken reports whether the comma-separated lists name token, which is in lower case.
func hasToken(lists []string, token string) bool {
	for _, list := range lists {
		for part := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}
