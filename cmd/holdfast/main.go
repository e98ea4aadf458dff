// Holdfast is the command line of the library: a simulated exchange to try things out on, and the rotation of a key.
//
//	holdfast sim -addr 127.0.0.1:8080         serve a simulated exchange
//	holdfast rotate -url URL -client-id ID -secret-file FILE -admin-client-id ID2 -admin-secret-file FILE2    rotate a key: give it a new secret
//	holdfast rotate -url URL -strategy replace -credentials-file FILE    put another key in its place
//	holdfast probe -client-id ID -secret-file FILE -admin-client-id ID -admin-secret-file FILE    find out what a reset does
//
// No secret is ever taken from, or printed to, the command line.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is one of the program's subcommands.
type command struct {
	name, does string
	run        func(ctx context.Context, std streams, args []string) error
}

var commands = []command{
	{"sim", "serve a simulated exchange until interrupted", sim},
	{"rotate", "give an API key a new secret, or put another key in its place", rotateKey},
	{"probe", "find out what a reset of an API key does to its tokens, subscriptions and connections", probeKey},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, streams{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run runs a subcommand and returns the exit code: 0 if it did what was asked, 1 if it could not, 2 if it was asked wrongly.
func run(ctx context.Context, std streams, args []string) int {
	if len(args) == 0 {
		usage(std.err)
		return 2
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, std, args[1:])
		switch {
		case err == nil || errors.Is(err, flag.ErrHelp):
			return 0
		case errors.Is(err, errUsage):
			_, _ = fmt.Fprintln(std.err, err)
			return 2
		}
		_, _ = fmt.Fprintf(std.err, "holdfast %s: %v\n", c.name, err)
		return 1
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		usage(std.out)
		return 0
	}
	_, _ = fmt.Fprintln(std.err, "holdfast: there is no such command") // which is not quoted: it may be a secret in the wrong place
	usage(std.err)
	return 2
}

// errUsage is a command line that does not say what to do.
var errUsage = errors.New("usage")

func usage(w io.Writer) {
	_, _ = fmt.Fprintln(w, "usage: holdfast COMMAND [flags]; holdfast COMMAND -h tells the flags")
	for _, c := range commands {
		_, _ = fmt.Fprintf(w, "  %-8s %s\n", c.name, c.does)
	}
}

// parse parses a subcommand's flags, and refuses arguments.
func parse(flags *flag.FlagSet, std streams, args []string) error {
	flags.SetOutput(std.err)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: holdfast %s: %w", errUsage, flags.Name(), err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%w: holdfast %s: unexpected argument; holdfast %s -h tells the flags", errUsage, flags.Name(), flags.Name())
	}
	return nil
}
