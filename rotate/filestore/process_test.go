package filestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// servedPath is the variable that makes the test binary a process that does what it is told with a store.
const servedPath = "HOLDFAST_TEST_FILESTORE_SERVE"

// The words of the protocol: a request is two numbers, and has one line for an answer.
const (
	askLoad  = "load 0 0"
	askSave  = "save %d %d"
	said     = "%s %d %d"
	saidDone = "done"
	saidNo   = "conflict"
	saidFail = "failed"
)

// serve answers until its input ends.
func serve(path string) {
	ctx := context.Background() //nolint:forbidigo // the root of a process of its own
	s, err := filestore.Open(path)
	to := handle{s, func(format string, args ...any) { err = fmt.Errorf(format, args...) }}
	requests := bufio.NewScanner(os.Stdin)
	for err == nil && requests.Scan() {
		var what string
		var number, ifVersion uint64
		if _, err = fmt.Sscanf(requests.Text(), "%s %d %d", &what, &number, &ifVersion); err != nil {
			break
		}
		var got content
		var failed error
		if what == "load" {
			got, failed = to.load(ctx)
		} else {
			got.version, failed = to.save(ctx, number, ifVersion)
		}
		word := saidDone
		switch {
		case errors.Is(failed, rotate.ErrConflict):
			word = saidNo
		case failed != nil:
			word = saidFail
			fmt.Fprintln(os.Stderr, failed)
		}
		if err == nil {
			_, err = fmt.Fprintf(os.Stdout, said+"\n", word, got.version, got.number)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// errKilled is a process that died before it has answered.
var errKilled = errors.New("killed")

// child is a process that serves, and is killed now and then while it is at work. One goroutine uses it.
type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	rng     *rand.Rand
	dead    bool
}

func startChild(ctx context.Context, path string, rng *rand.Rand) (*child, error) {
	command := exec.CommandContext(ctx, os.Args[0])
	command.Env = append(os.Environ(), servedPath+"="+path)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &child{command: command, in: in, out: bufio.NewScanner(out), rng: rng}, command.Start()
}

// ask has the process do something, and kills it now and then meanwhile. What it has said before it died counts.
func (c *child) ask(format string, args ...any) (got content, err error) {
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		return content{}, err
	}
	if c.rng.IntN(20) == 0 {
		const before, longest = -1500, 1500 // half of them at once, for a Save takes less than a millisecond
		wait(time.Duration(before+c.rng.IntN(longest-before)) * time.Microsecond)
		if err := c.command.Process.Kill(); err != nil {
			return content{}, err
		}
		c.dead = true
	}
	if !c.out.Scan() {
		if c.dead {
			return content{}, errKilled
		}
		return content{}, errors.Join(io.ErrUnexpectedEOF, c.out.Err())
	}
	var word string
	if _, err := fmt.Sscanf(c.out.Text(), said, &word, &got.version, &got.number); err != nil {
		return content{}, err
	}
	switch word {
	case saidDone:
		return got, nil
	case saidNo:
		return content{}, rotate.ErrConflict
	}
	return content{}, fmt.Errorf("the process said %q", word)
}

func (c *child) load(context.Context) (content, error) { return c.ask(askLoad) }

func (c *child) save(_ context.Context, number, ifVersion uint64) (uint64, error) {
	got, err := c.ask(askSave, number, ifVersion)
	return got.version, err
}

// end waits until the process has ended, which is of its own accord unless it was killed.
func (c *child) end() error {
	err := errors.Join(c.in.Close(), c.command.Wait())
	if _, exited := errors.AsType[*exec.ExitError](err); exited && c.dead {
		return nil
	}
	return err
}

// walkProcesses is of processes that share a file on the real disk.
func walkProcesses(t *testing.T, seed uint64) *history {
	t.Helper()
	h := &history{}
	path := safePath(t)
	var group sync.WaitGroup
	for _, p := range h.walkers(seed, operationsEach, func(err error) bool { return errors.Is(err, errKilled) }) {
		group.Go(func() {
			for p.left > 0 {
				if err := p.incarnate(t.Context(), path); err != nil {
					h.errorf("process %d: %v", p.id, err)
					return
				}
			}
		})
	}
	group.Wait()
	return h
}

// incarnate lives until it is killed, or all is done.
func (p *process) incarnate(ctx context.Context, path string) error {
	c, err := startChild(ctx, path, p.rng)
	if err != nil {
		return err
	}
	for p.left > 0 && !c.dead {
		p.once(ctx, c)
	}
	if c.dead {
		p.history.killed()
	}
	return c.end()
}
