package main

import (
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// TestRun keeps two books for some seconds, over messages that are lost.
func TestRun(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"-for", "3s", "-every", "100ms", "-lose", "700ms", "-interval", "raw"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), opts, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`book\.BTC-PERPETUAL\.raw +synced +[0-9.]+ x [0-9]+ +[0-9.]+ x [0-9]+ +spread +[0-9.]+ sequence [0-9]+, -?[0-9]+ ms old, 0 resyncs`,
		`book\.ETH-PERPETUAL\.raw +synced .* 0 resyncs`,
		`-- the exchange loses a message of book\.BTC-PERPETUAL\.raw`,
		`-- book\.BTC-PERPETUAL\.raw is stale: session: gap \(sequence\)`,
		`book\.BTC-PERPETUAL\.raw +synced .* [1-9] resyncs`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("%s is not in\n%s", want, out.String())
		}
	}
}

// cutter breaks the exchange's connections when a book has been shown for the first time.
type cutter struct {
	strings.Builder
	exchange *deribittest.Server
	cut      sync.Once
}

// Write implements io.Writer.
func (c *cutter) Write(b []byte) (int, error) {
	if strings.Contains(string(b), " synced ") {
		c.cut.Do(c.exchange.CutConnections)
	}
	return c.Builder.Write(b)
}

// TestRunOverALoss tells of a lost connection as it comes, what is stale, and that there is another.
func TestRunOverALoss(t *testing.T) {
	t.Parallel()
	exchange, err := deribittest.New(deribittest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer exchange.Close()
	opts, err := parse([]string{"-url", exchange.URL(), "-for", "3s", "-every", "50ms", "BTC-PERPETUAL"})
	if err != nil {
		t.Fatal(err)
	}
	out := &cutter{exchange: exchange}
	if err := run(t.Context(), opts, out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`-- every book is stale: session: gap \(reconnect\)`,
		`-- there is another connection, the books begin anew`,
		`book\.BTC-PERPETUAL\.100ms +synced .* 1 resyncs`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("%s is not in\n%s", want, out.String())
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"-for", "1s", "SOL_USDC-PERPETUAL"})
	if err != nil || opts.run != time.Second || len(opts.instruments) != 1 || opts.interval != "100ms" {
		t.Errorf("%+v, %v", opts, err)
	}
	for _, wrong := range []string{"-for=0s", "-every=0s", "-lose=-1s", "-max-age=-1s", "-nothing"} {
		if _, err := parse([]string{wrong}); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}

// TestRunEnds without an exchange, or with a book that there is not.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-url=http://localhost": "scheme", "NO-SUCH": "book.NO-SUCH.100ms",
	} {
		opts, err := parse([]string{args})
		if err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), opts, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
}
