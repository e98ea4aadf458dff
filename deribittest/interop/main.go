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
	"path/filepath"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// clientTimeout bounds the run of one client.
const clientTimeout = 2 * time.Minute

// clients are the programs in this directory that drive a foreign client. Each prints a line per check, and exits with 1 if
// one fails.
var clients = [][]string{
	{"node", "ccxt-rest.mjs"},
	{"node", "ccxt-ws.mjs"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

// run runs the clients whose program is named, or all, each on an exchange of its own.
func run(ctx context.Context, names []string) error {
	failed := 0
	for _, argv := range clients {
		if !chosen(names, argv[1]) {
			continue
		}
		if err := serve(ctx, argv); err != nil {
			fmt.Printf("FAIL  %s: %v\n", argv[1], err)
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d clients failed", failed)
	}
	return nil
}

func chosen(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return len(names) == 0
}

// serve runs one client to its end.
func serve(ctx context.Context, argv []string) error {
	judge := newJudge()
	exchange, err := deribittest.New(deribittest.Config{OnFrame: judge.frame})
	if err != nil {
		return err
	}
	key := exchange.AddKey(deribittest.KeyConfig{Name: "interop"})
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	client := exec.CommandContext(ctx, argv[0], argv[1:]...)
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
	return judge.report(filepath.Base(argv[1]))
}
