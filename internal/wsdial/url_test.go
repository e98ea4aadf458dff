package wsdial_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/internal/wsdial"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestGoodURLs(t *testing.T) {
	t.Parallel()
	tests := []struct{ raw, addr, shown string }{
		{"wss://www.deribit.com/ws/api/v2", "www.deribit.com:443", "wss://www.deribit.com/ws/api/v2"},
		{"ws://localhost", "localhost:80", "ws://localhost"},
		{"WSS://test.deribit.com:8443/", "test.deribit.com:8443", "wss://test.deribit.com:8443/"},
		{"ws://[::1]:9000/x", "[::1]:9000", "ws://[::1]:9000/x"},
		{"wss://[fe80::1%25eth0]/", "[fe80::1%eth0]:443", "wss://[fe80::1%25eth0]/"},
		{"wss://xn--drbit-4ve8b.com/", "xn--drbit-4ve8b.com:443", "wss://xn--drbit-4ve8b.com/"},
		{"wss://host/a%2Fb/../c?token=hunter2&x=y", "host:443", "wss://host/a%2Fb/../c?..."},
	}
	for _, test := range tests {
		addr, shown, err := wsdial.Parse(test.raw)
		if err != nil || addr != test.addr || shown != test.shown {
			t.Errorf("%s: got %q, %q, %v, want %q, %q", test.raw, addr, shown, err, test.addr, test.shown)
		}
	}
}

func TestBadURLsSayWhy(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                         "neither ws nor wss",
		"www.deribit.com":          "neither ws nor wss",
		"https://www.deribit.com/": "neither ws nor wss",
		"wss://":                   "no host",
		"wss://:443":               "no host",
		"wss:opaque":               "no host",
		"wss://user@host/":         "user information",
		"wss://@host/":             "user information",
		"wss://host/#top":          "fragment",
		"wss://dеribit.com/":       "punycode", // the first e is Cyrillic
		"wss://host:port/":         "does not parse",
		"wss://host:-1/":           "does not parse",
		"wss://ho st/":             "does not parse",
		"wss://host/\x00":          "does not parse",
		"wss://host/%":             "does not parse",
		"wss://[::1/":              "does not parse",
	}
	for raw, want := range tests {
		if _, _, err := wsdial.Parse(raw); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", raw, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"wss://www.deribit.com/ws/api/v2", "ws://[::1]:80", "wss://a:b@c", "ws://h?q#f", "%", "wss://\u0435"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		addr, shown, err := wsdial.Parse(raw)
		if err != nil {
			if addr != "" {
				t.Errorf("%q: address %q with error %v", raw, addr, err)
			}
			return
		}
		u, err := url.Parse(shown)
		if err != nil {
			t.Fatalf("%q: shown %q does not parse: %v", raw, shown, err)
		}
		if u.Scheme != "ws" && u.Scheme != "wss" || u.User != nil || u.Hostname() == "" || u.Fragment != "" {
			t.Errorf("%q was accepted as %q", raw, shown)
		}
		if u.RawQuery != "" && u.RawQuery != "..." {
			t.Errorf("%q: query shown in %q", raw, shown)
		}
	})
}
