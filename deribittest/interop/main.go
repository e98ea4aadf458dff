// Interop runs clients of the exchange that others wrote, unmodified, against the simulated exchange: only addresses and
// keys are configured. It prints one line per client and check, and judges every frame that they are sent by the schemas
// that the exchange publishes. Start it with the script run, which installs the clients.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// clientTimeout bounds the run of one client.
const clientTimeout = 2 * time.Minute

// clients are the scripts in this directory, each of which drives a foreign client. They print a line per check, and exit
// with 1 if one fails.
var clients = []string{"ccxt-rest.mjs", "ccxt-ws.mjs"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

// run runs the clients that are named, or all, each on an exchange of its own.
func run(ctx context.Context, names []string) error {
	failed := 0
	for _, script := range clients {
		if len(names) > 0 && !slices.Contains(names, script) {
			continue
		}
		if err := serve(ctx, script); err != nil {
			fmt.Fprintf(os.Stdout, "FAIL  %s: %v\n", script, err)
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d clients failed", failed)
	}
	return nil
}

// serve runs one client to its end.
func serve(ctx context.Context, script string) error {
	judge := newJudge()
	exchange, err := deribittest.New(deribittest.Config{OnFrame: judge.frame})
	if err != nil {
		return err
	}
	key := exchange.AddKey(deribittest.KeyConfig{Name: "interop"})
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	client := exec.CommandContext(ctx, "node", script) //nolint:gosec // one of clients
	client.Env = append(os.Environ(),
		"DERIBIT_WS="+exchange.URL(),
		"DERIBIT_REST="+exchange.RESTURL(),
		"DERIBIT_CLIENT_ID="+key.ClientID,
		"DERIBIT_CLIENT_SECRET="+key.Secret,
	)
	client.Stdout, client.Stderr = os.Stdout, os.Stderr
	err = client.Run()
	if closing := exchange.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return judge.report(script)
}
