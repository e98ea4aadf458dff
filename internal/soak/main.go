// Soak runs the library for long and counts: what is left behind, what is late, what is lost. Each mode drives a simulated
// exchange in a process of its own, prints a table of figures and promises, and fails if a promise is broken.
//
//	go run ./internal/soak -rotations 10000
//	go run ./internal/soak -orders -apart
//	go run ./internal/soak -durable
//	go run ./internal/soak -calls 1e7 -cut 2000
//	go run ./internal/soak -reconnects 10000
//	go run ./internal/soak -slow
//	go run ./internal/soak -handovers 1000
//	go run ./internal/soak -pair -for 5m
//	go run ./internal/soak -losses 500 -messages 1e6
//
// Figures of time are of the machine as it is: run them on a quiet one.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// mode is one kind of run.
type mode interface {
	// run returns what was found; its error means that the run could not be made.
	run(ctx context.Context, e env) (*result, error)
}

// streams are where the program writes.
type streams struct{ Out, Err io.Writer }

func main() {
	if len(os.Args) == 2 && os.Args[1] == serveArg {
		os.Exit(serveStdio())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// serveStdio is the double's process. An interrupt at the terminal is for its parent, which ends it.
func serveStdio() int {
	signal.Ignore(os.Interrupt)
	if err := serve(pipes{os.Stdin, os.Stdout}); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "soak: double:", err)
		return 1
	}
	return 0
}

// run makes the runs that args ask for. It returns 0 if every promise was kept, 2 if it was asked wrongly, else 1.
func run(ctx context.Context, args []string, std streams) int {
	opts, err := parse(args, std.Err)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintln(std.Err, "soak:", err)
		return 2
	}
	code := 0
	for _, m := range opts.modes {
		r, err := m.run(ctx, opts.env)
		if err == nil {
			err = opts.show(std.Out, r)
		}
		if err != nil {
			_, _ = fmt.Fprintln(std.Err, "soak:", err)
			return 1
		}
		if !r.Kept {
			code = 1
		}
	}
	return code
}

func (o options) show(w io.Writer, r *result) error {
	if o.json {
		return json.NewEncoder(w).Encode(r)
	}
	return r.table(w)
}
