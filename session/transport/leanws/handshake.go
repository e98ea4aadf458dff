package leanws

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it; nothing secret depends on it
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
)

// acceptGUID is the constant of RFC 6455, section 1.3.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// shake performs the opening handshake over conn. The body of the answer is the stream of the server's frames: net/http
// may have read some already.
func shake(ctx context.Context, conn wsdial.Conn, header http.Header) (*http.Response, error) {
	key := newKey()
	resp, err := wsdial.ClientOver(conn).Do(request(conn.URL, header, key).WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err := verify(resp, key); err != nil {
		resp.Body.Close()
		return resp, err
	}
	return resp, nil
}

func newKey() string {
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// request asks for the upgrade. It changes neither u nor header.
func request(u *url.URL, header http.Header, key string) *http.Request {
	target := *u
	target.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
	h := header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set("Sec-Websocket-Version", "13")
	h.Set("Sec-Websocket-Key", key)
	return &http.Request{Method: http.MethodGet, URL: &target, Host: u.Host, Header: h}
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
