package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/holdfast-ws/holdfast/rotate"
)

// askFactor asks the person at the terminal for a code. An interrupt is an answer too: nothing has been executed yet.
func askFactor(ctx context.Context, std streams) func(context.Context, rotate.Challenge) (string, error) {
	in := bufio.NewReader(std.in)
	return func(asked context.Context, c rotate.Challenge) (string, error) {
		_, _ = fmt.Fprintf(std.err, "The exchange asks for the second factor of %s, within 45 s, and takes each code once. Six-digit code: ", c.Method)
		line, stop := context.WithCancelCause(asked)
		defer stop(nil)
		defer context.AfterFunc(ctx, func() { stop(errInterrupted) })()
		code, err := readLine(line, in)
		if code == "" && context.Cause(line) == nil {
			err = errors.Join(errors.New("no code was given"), err)
		}
		if code == "" {
			return "", err
		}
		return code, nil
	}
}

var errInterrupted = errors.New("interrupted")

// readLine reads a line, without the white space around it, until ctx ends; then the error is its cause.
func readLine(ctx context.Context, in *bufio.Reader) (string, error) {
	type line struct {
		text string
		err  error
	}
	lines := make(chan line, 1)
	go func() { // a terminal cannot be stopped reading: it ends with the line, or with the program
		text, err := in.ReadString('\n')
		lines <- line{strings.TrimSpace(text), err}
	}()
	select {
	case l := <-lines:
		return l.text, l.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// oneAtATime is what several goroutines print to.
type oneAtATime struct {
	mu sync.Mutex // protects w
	w  io.Writer
}

func (o *oneAtATime) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}
