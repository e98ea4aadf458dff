package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	netrpc "net/rpc"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// env is what every mode runs in.
type env struct {
	Dialer    rpc.Dialer    // nil is the session's default
	InProcess bool          // the double shares the process
	Apart     bool          // the double has a processor core for itself
	Progress  io.Writer     // is told how far a run is
	Patience  time.Duration // how long what was told to end may take, 0 is 5 s
}

// exchange is a double, in a process of its own unless env says otherwise.
type exchange struct {
	Opened
	env
	commands *netrpc.Client
	ended    func() error // waits until the double has ended
}

// serveArg as the only argument makes the program a double.
const serveArg = "-serve"

// open starts a double.
func (e env) open(ctx context.Context, setup Setup) (*exchange, error) {
	start := startProcess
	switch {
	case e.InProcess:
		start = startHere
	case e.Apart:
		start = startApart
	}
	conn, ended, err := start(ctx)
	if err != nil {
		return nil, fmt.Errorf("soak: start the double: %w", err)
	}
	x := &exchange{env: e, commands: netrpc.NewClient(conn), ended: ended}
	if err := x.command("Open", setup, &x.Opened); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

// pipes are a child's standard streams as one connection.
type pipes struct {
	io.Reader
	io.WriteCloser
}

func startProcess(ctx context.Context) (io.ReadWriteCloser, func() error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	child := exec.CommandContext(context.WithoutCancel(ctx), self, serveArg) //nolint:gosec // it is this program; it ends when its stdin does
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := child.Start(); err != nil {
		return nil, nil, err
	}
	return pipes{out, in}, child.Wait, nil
}

func startHere(context.Context) (io.ReadWriteCloser, func() error, error) {
	near, far := net.Pipe()
	var running sync.WaitGroup
	var err error
	running.Go(func() { err = serve(far) })
	return near, func() error {
		running.Wait()
		return err
	}, nil
}

// startApart gives the last core to the double's process, and the others to this one.
func startApart(ctx context.Context) (conn io.ReadWriteCloser, ended func() error, err error) {
	last := runtime.NumCPU() - 1
	if last < 1 {
		return nil, nil, errOneCore
	}
	runtime.LockOSThread() // a child begins with the affinity of the thread that starts it
	defer runtime.UnlockOSThread()
	if err := pinThread(0, last, last); err != nil {
		return nil, nil, err
	}
	if conn, ended, err = startProcess(ctx); err != nil {
		return nil, nil, err
	}
	if err := pinProcess(0, last-1); err != nil {
		return nil, nil, errors.Join(err, conn.Close(), ended())
	}
	runtime.GOMAXPROCS(last)
	return conn, ended, nil
}

var errOneCore = errors.New("-apart needs two processor cores")

// cores says what shares them.
func (e env) cores() string {
	switch {
	case e.InProcess:
		return fmt.Sprintf("the exchange is in this process, on %d cores", runtime.NumCPU())
	case e.Apart:
		return fmt.Sprintf("the exchange has one core of %d, client and rotator the rest", runtime.NumCPU())
	}
	return fmt.Sprintf("client, rotator and exchange share %d cores", runtime.NumCPU())
}

// command has the double do something.
func (x *exchange) command(name string, args, reply any) error {
	if err := x.commands.Call(doubleName+"."+name, args, reply); err != nil {
		return fmt.Errorf("soak: double: %s: %w", name, err)
	}
	return nil
}

// Close ends the double.
func (x *exchange) Close() error { return errors.Join(x.commands.Close(), x.ended()) }

// config is that of a session with the exchange.
func (x *exchange) config(name string, source session.CredentialSource) session.Config {
	cfg := session.Config{URL: x.URL, Credentials: source, Name: name, Dialer: x.Dialer, NewBackoff: soon}
	if x.Certificate != nil {
		cfg.TLS = x.trust()
	}
	return cfg
}

// soon makes waits that are short: connections break here by the thousand, and the wait is not what is looked at.
func soon() session.Backoffer { return retry.Backoff(2*time.Millisecond, 20*time.Millisecond) }

// trust is a TLS configuration that takes the exchange's own word.
func (x *exchange) trust() *tls.Config {
	pool := x509.NewCertPool()
	if certificate, err := x509.ParseCertificate(x.Certificate); err == nil { // else the handshake fails, and says so
		pool.AddCert(certificate)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
}

// engine are the first credentials of the engine's key.
func (x *exchange) engine() session.Credentials {
	return session.Credentials{ClientID: x.Engine.ClientID, Secret: session.NewSecret([]byte(x.Engine.Secret)), Generation: 1}
}

// executed asks how often the orders of labels were executed.
func (x *exchange) executed(labels []string) ([]int, error) {
	var counts []int
	if err := x.command("Executed", labels, &counts); err != nil {
		return nil, err
	}
	if len(counts) != len(labels) {
		return nil, fmt.Errorf("soak: double: %d counts of %d labels", len(counts), len(labels))
	}
	return counts, nil
}

// progress tells how far a run is, ten times.
func (e env) progress(what string, done, of int) {
	if e.Progress != nil && of >= 100 && done%(of/10) == 0 {
		_, _ = fmt.Fprintf(e.Progress, "%s: %d of %d\n", what, done, of)
	}
}
