// Package exchangetest starts simulated exchanges for tests, holds all that they send against the published schemas, and keeps their
// secrets for the check that no output of any test has one.
package exchangetest

import (
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/schematest"
)

// New starts an exchange that closes at the test's end. Every reply and notification that it sends must fit the schemas
// that the exchange publishes. cfg.OnFrame is kept.
func New(tb testing.TB, cfg deribittest.Config) *deribittest.Server {
	tb.Helper()
	schemas := schematest.Load(tb)
	also := cfg.OnFrame
	cfg.OnFrame = func(f deribittest.Frame) {
		if !f.Incoming {
			schemas.Sent(f.Conn, f.Method, f.Data)
		}
		if also != nil {
			also(f)
		}
	}
	server, err := deribittest.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Error(err)
		}
		KeepSecrets(tb, server.Secrets())
	})
	return server
}
