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

// FuzzParse judges by net/url and a list of what an address must not be.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"wss://www.deribit.com/ws/api/v2", "ws://[::1]:80", "wss://a:b@c", "ws://h?q#f", "%", "wss://\u0435", "WSS://H:8443/a%2Fb/../c?token=x",
		"wss://[fe80::1%25eth0]/", "ws://:443", "wss:opaque", "wss://h:99999", "wss://@h/", "wss://h\x00", "//h/x", "wss://h/#", "wss://[::1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		addr, shown, err := wsdial.Parse(raw)
		want, ok := judge(raw)
		if (err == nil) != ok {
			t.Fatalf("%q: %v, but good: %t", raw, err, ok)
		}
		if err != nil {
			if addr != "" || len(raw) > 20 && strings.Contains(err.Error(), raw) {
				t.Errorf("%q: address %q with error %v", raw, addr, err)
			}
			return
		}
		if addr != want {
			t.Errorf("%q: address %q, want %q", raw, addr, want)
		}
		u, err := url.Parse(shown)
		if err != nil {
			t.Fatalf("%q: shown %q does not parse: %v", raw, shown, err)
		}
		if u.User != nil || u.Fragment != "" || u.RawQuery != "" && u.RawQuery != "..." {
			t.Errorf("%q: shown as %q", raw, shown)
		}
	})
}

// judge says whether raw can be dialed, and at which address.
func judge(raw string) (addr string, ok bool) {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return "", false
	}
	port, known := map[string]string{"ws": "80", "wss": "443"}[strings.ToLower(u.Scheme)]
	host := u.Hostname()
	for _, b := range []byte(u.Host) {
		if b <= ' ' || b > '~' {
			return "", false
		}
	}
	if !known || host == "" {
		return "", false
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port, true
}
