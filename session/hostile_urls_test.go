package session_test

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// urls dials each of 40 URLs. What is refused dials nothing and quotes nothing; what is not goes where it says.
func urls(a *arena) {
	dials := map[string]string{ // where to; empty if nowhere
		"wss://www.deribit.com/ws/api/v2":                   "www.deribit.com:443",
		"WSS://www.deribit.com/":                            "www.deribit.com:443",
		"wss://www.deribit.com":                             "www.deribit.com:443",
		"wss://www.deribit.com:8443/":                       "www.deribit.com:8443",
		"wss://www.deribit.com./":                           "www.deribit.com.:443",
		"wss://www.deribit.com/a/../../../hush":             "www.deribit.com:443",
		"wss://www.deribit.com/%2e%2e/%2f":                  "www.deribit.com:443",
		"wss://www.deribit.com/?url=ws://elsewhere.example": "www.deribit.com:443",
		"wss://www.deribit.com//elsewhere.example/":         "www.deribit.com:443",
		"wss://www.deribit.com/@elsewhere.example/":         "www.deribit.com:443",
		"wss://xn--drbit-4ve8b.com/":                        "xn--drbit-4ve8b.com:443",
		"wss://169.254.169.254/latest/meta-data":            "169.254.169.254:443", // it is who writes the Config that says where
		"wss://[2001:db8::1]/":                              "[2001:db8::1]:443",
		"wss://[fe80::1%25eth0]:9/":                         "[fe80::1%eth0]:9",
		"ws://localhost:9/":                                 "localhost:9",
		"ws://127.0.0.1:9/":                                 "127.0.0.1:9",
		"ws://[::1]/":                                       "[::1]:80",
		"ws://127.8.9.10/":                                  "127.8.9.10:80",
		"ws://www.deribit.com/hush":                         "",
		"ws://localhost.elsewhere.example/hush":             "",
		"ws://127.0.0.1.elsewhere.example/hush":             "",
		"ws://0.0.0.0/hush":                                 "",
		"ws://10.0.0.1/hush":                                "",
		"ws://[::]/hush":                                    "",
		"ws://2130706433/hush":                              "", // 127.0.0.1, to those who take a number for an address
		"ws://0x7f.1/hush":                                  "",
		"wss://hush@www.deribit.com/":                       "",
		"wss://user:hush@www.deribit.com/":                  "",
		"wss://@www.deribit.com/hush":                       "",
		"wss://www.deribit.com:hush@elsewhere.example/":     "",
		"wss://www.deribit.com/#hush":                       "",
		"wss://www.dеribit.com/hush":                        "", // the first e is Cyrillic
		"wss://www.deribit.com\r\nX-Token: hush/":           "",
		"wss://www deribit.com/hush":                        "",
		"wss://www.deribit.com:port/hush":                   "",
		"wss:///hush":                                       "",
		"wss:www.deribit.com/hush":                          "",
		"https://www.deribit.com/hush":                      "",
		"file:///etc/hush":                                  "",
		"wss://[::1/hush":                                   "",
	}
	if len(dials) != 40 {
		a.Errorf("%d URLs", len(dials))
	}
	errNobody := errors.New("nobody there")
	for raw, want := range dials {
		got := ""
		_, err := session.Dial(a.Context(), session.Config{
			URL: raw, Dialer: a.dialer,
			NetDial: func(_ context.Context, _, addr string) (net.Conn, error) {
				got = addr
				return nil, errNobody
			},
		})
		if got != want || errors.Is(err, errNobody) != (want != "") || !errors.Is(err, session.ErrConfig) && !isA[*rpc.HandshakeError](err) {
			a.Errorf("%q dialed %q, want %q: %v", raw, got, want, err)
		}
		if want == "" && strings.Contains(err.Error(), "hush") {
			a.Errorf("%q is quoted: %v", raw, err)
		}
	}
}
