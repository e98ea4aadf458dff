package session_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

// FuzzURL judges what a Config's URL may be by net/url and net/netip: wss, or ws to this machine, and without credentials.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		session.ProductionURL, "ws://localhost:80/x", "ws://127.0.0.1", "ws://[::1]/", "ws://127.0.0.1.example.com/", "ws://localhost.example.com/",
		"ws://[::ffff:127.0.0.1]/", "ws://0.0.0.0/", "ws://127.1/", "wss://user:pass@host/", "wss://@host", "https://host", "wss://", "%", "ws://a@localhost",
		".deribit.com/ws/api/v",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, raw string, plaintext bool) {
		err := session.CheckURL(raw, plaintext)
		u, parseErr := url.Parse(raw)
		good := parseErr == nil && u.User == nil && u.Hostname() != ""
		if good && u.Scheme != "wss" {
			addr, ipErr := netip.ParseAddr(u.Hostname())
			isHere := u.Hostname() == "localhost" || ipErr == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
			good = u.Scheme == "ws" && (plaintext || isHere)
		}
		if (err == nil) != good {
			t.Errorf("%q, plaintext %t: %v, but good: %t", raw, plaintext, err, good)
		}
		if err == nil {
			return
		}
		ours := strings.ReplaceAll(err.Error(), session.TestURL, "") // which raw may be a part of
		if len(raw) > 20 && strings.Contains(ours, raw) {
			t.Errorf("%q is quoted: %v", raw, err)
		}
	})
}
