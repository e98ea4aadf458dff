package telemetry_test

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/telemetry"
)

func TestIsPlain(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]bool{
		"":                    true,
		"Invalid params":      true,
		"invalid_credentials": true,
		"not_on_this_exchange: margin/linear, it's closed.": true,
		"retry in 10 s":                                 false, // digits
		"abcdefghijklmnopqrstuvwxyzabcdefghijk":         true,
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs": false, // as long as a secret
		strings.Repeat("word ", 24):                     true,
		strings.Repeat("word ", 25):                     false, // longer than a message is
		"ключ":                                          false,
		"a\nb":                                          false,
		canaries[0]:                                     false,
		canaries[1]:                                     false,
	} {
		if got := telemetry.IsPlain(message); got != want {
			t.Errorf("IsPlain(%q) = %v, want %v", message, got, want)
		}
	}
}

// FuzzMessage: what passes as plain, or as an identifier, is what a regular expression says it is.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{"", "invalid_credentials", "Invalid params", "a b\x00", "13004", canaries[0], canaries[1]} {
		f.Add(seed)
	}
	plain := regexp.MustCompile(`^(?:[A-Za-z_.,:/'-]{0,40}(?: |$))*$`)
	identifier := regexp.MustCompile(`^[A-Za-z0-9_.-]{1,40}$`)
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := telemetry.IsPlain(s), len(s) <= 120 && plain.MatchString(s); got != want {
			t.Errorf("IsPlain(%q) = %v, want %v", s, got, want)
		}
		if got, want := telemetry.IsIdentifier(s), identifier.MatchString(s); got != want {
			t.Errorf("IsIdentifier(%q) = %v, want %v", s, got, want)
		}
	})
}

// FuzzEndpoint: of a URL nothing but its host and port is told.
func FuzzEndpoint(f *testing.F) {
	for _, seed := range []string{
		"wss://www.deribit.com/ws/api/v2", "ws://[::1]:8080/", "wss://user:secret@host/path?query", "ws://host", "::", "", "http://host",
		"wss://host:99999999999999999999",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		address, port := telemetry.Endpoint(raw)
		u, err := url.Parse(raw)
		if err != nil {
			if address != "" || port != 0 {
				t.Errorf("told %q, %d of a URL that does not parse", address, port)
			}
			return
		}
		if address != u.Hostname() {
			t.Errorf("address %q, want %q", address, u.Hostname())
		}
		if n, err := strconv.Atoi(u.Port()); err == nil && n < 1<<16 && port != n {
			t.Errorf("port %d, want %s", port, u.Port())
		}
		if port < 0 || port >= 1<<16 {
			t.Errorf("port %d", port)
		}
	})
}
