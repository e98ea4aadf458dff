package wsdial_test

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
)

func TestTLSConfigIsCompletedInACopy(t *testing.T) {
	t.Parallel()
	cfg := wsdial.TLSConfig(nil, "www.deribit.com")
	if cfg.ServerName != "www.deribit.com" || cfg.MinVersion != tls.VersionTLS12 || cfg.InsecureSkipVerify {
		t.Errorf("from nil: server name %q, version %#x", cfg.ServerName, cfg.MinVersion)
	}

	base := &tls.Config{ServerName: "front", MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}}
	cfg = wsdial.TLSConfig(base, "www.deribit.com")
	if cfg.ServerName != "front" || cfg.MinVersion != tls.VersionTLS13 {
		t.Errorf("from base: server name %q, version %#x, want the base's", cfg.ServerName, cfg.MinVersion)
	}
	if !slices.Equal(cfg.NextProtos, []string{"http/1.1"}) || !slices.Equal(base.NextProtos, []string{"h2"}) {
		t.Errorf("protocols %q, base's %q: want HTTP/1.1 alone, in a copy", cfg.NextProtos, base.NextProtos)
	}

	old := &tls.Config{MinVersion: tls.VersionTLS10}
	if got := wsdial.TLSConfig(old, "host").MinVersion; got != tls.VersionTLS12 {
		t.Errorf("version %#x, want TLS 1.2 at least", got)
	}
}
