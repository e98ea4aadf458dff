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
func askFactor(ctx context.Context, in *terminal, out io.Writer) func(context.Context, rotate.Challenge) (string, error) {
	return func(asked context.Context, c rotate.Challenge) (string, error) {
		_, _ = fmt.Fprintf(out, "The exchange asks for the second factor of %s, within 45 s, and takes each code once. Six-digit code: ", c.Method)
		line, stop := context.WithCancelCause(asked)
		defer stop(nil)
		defer context.AfterFunc(ctx, func() { stop(errInterrupted) })()
		code, err := in.readLine(line)
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

// terminal reads lines, for one question at a time. Reading cannot be stopped: what a question leaves reading when its time is over reads
// for the next one.
type terminal struct {
	in    *bufio.Reader
	typed chan line // of 1; nil while nothing reads
}

type line struct {
	text string
	err  error
}

func newTerminal(in io.Reader) *terminal { return &terminal{in: bufio.NewReader(in)} }

// readLine reads a line, without the white space around it, until ctx ends; then the error is its cause. A line that came when nobody
// asked, too late for a question before, is no answer to this one.
func (t *terminal) readLine(ctx context.Context) (string, error) {
	if len(t.typed) > 0 {
		t.typed = nil
	}
	if t.typed == nil {
		typed := make(chan line, 1)
		go func() {
			text, err := t.in.ReadString('\n')
			typed <- line{strings.TrimSpace(text), err}
		}()
		t.typed = typed
	}
	select {
	case l := <-t.typed:
		t.typed = nil
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
