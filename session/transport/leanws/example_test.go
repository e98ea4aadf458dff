package leanws_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

// A handshake that the server refuses shows the HTTP status.
func ExampleDialer_Dial() {
	exchange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer exchange.Close()

	var dialer leanws.Dialer
	_, err := dialer.Dial(context.Background(), rpc.DialConfig{
		URL: strings.Replace(exchange.URL, "http", "ws", 1),
		TLS: &tls.Config{MinVersion: tls.VersionTLS13},
	})
	if refused, ok := errors.AsType[*rpc.HandshakeError](err); ok {
		fmt.Println(refused.Status)
	}
	// Output: 429
}
