package transporttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// stall is one test of a dialer with a peer that does not read, or only now and then: a transport that promises to write
// without waiting keeps what is to be written. It runs over the system's own sockets.
type stall struct {
	*testing.T
	Subject
	id *identity // nil without TLS
}

func stalls(t *testing.T, s Subject) {
	t.Helper()
	id := newIdentity(t, "exchange.invalid", time.Now().Add(time.Hour))
	tests := []struct {
		name string
		run  func(stall)
	}{
		{"peer that sleeps", stall.peerThatSleeps},
		{"a thousand stalls", stall.thousandStalls},
		{"pings without end", stall.endlessPings},
		{"close during a stall", stall.closeDuringAStall},
		{"close at the end of a stall", stall.partingWords},
	}
	for _, test := range tests {
		for name, id := range map[string]*identity{"ws": nil, "wss": &id} {
			t.Run(test.name+" over "+name, func(t *testing.T) {
				t.Parallel()
				test.run(stall{t, s, id})
			})
		}
	}
}

// connect dials a server of its own that performs the handshake and goes on with next, over a Unix socket that takes little
// before it is read.
func (s stall) connect(next script) rpc.Flusher {
	t := s.T
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", SocketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	srv := &server{t: t, script: afterAccept(next)}
	cfg := rpc.DialConfig{URL: url, NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
		if err != nil {
			return nil, err
		}
		return conn, conn.(*net.UnixConn).SetWriteBuffer(8 << 10) //nolint:errcheck // a Unix socket was asked for
	}}
	if s.id != nil {
		srv.tls, cfg.TLS, cfg.URL = s.id.server, s.id.client(), secureURL
	}
	srv.wg.Go(func() {
		if conn, err := l.Accept(); err == nil {
			srv.play(conn)
		}
	})
	t.Cleanup(func() {
		l.Close()
		srv.wg.Wait()
	})
	f, ok := dial(t, s.Dialer, cfg).(rpc.Flusher)
	if !ok {
		t.Fatalf("the transport of %s is no Flusher", s.Subject.Name)
	}
	return f
}

// try writes msgs without waiting, and reports whether something was left.
func try(t *testing.T, f rpc.Flusher, msgs [][]byte) bool {
	t.Helper()
	left, err := f.TryWriteMessages(msgs...)
	if err != nil {
		t.Fatalf("try: %v", err)
	}
	return left
}

// receiveAll reads text messages, each as it should be, and returns the pongs that came between them.
func (p *peer) receiveAll(msgs [][]byte) (pongs []string, err error) {
	for i := 0; i < len(msgs); {
		f, err := p.receive()
		switch {
		case err != nil:
			return pongs, err
		case f.op == opPong:
			pongs = append(pongs, string(f.payload))
		case f.op == opText && string(f.payload) == string(msgs[i]):
			i++
		default:
			return pongs, fmt.Errorf("peer: received %v, want message %d of %d", f, i, len(msgs))
		}
	}
	return pongs, nil
}

// pings is how often the peer that sleeps pings.
const pings = 20

// ping pings, with a message behind it that tells that the ping was read.
func (p *peer) ping(payload string) error {
	return p.send(frame{op: opPing, payload: []byte(payload)}, text("{}"))
}

// peerThatSleeps is written to and pings in its sleep; then it gets every byte in order, exactly once.
func (s stall) peerThatSleeps() {
	t := s.T
	batch, more := numbered(300, 5000), numbered(3, 100)
	asleep, pinged := make(chan struct{}), make(chan struct{})
	f := s.connect(func(p *peer) error {
		<-asleep
		for i := range pings {
			if err := p.ping(strconv.Itoa(i)); err != nil {
				return err
			}
		}
		<-pinged
		return s.wakeUp(p, slices.Concat(batch, more))
	})
	if !try(t, f, batch) {
		t.Error("nothing was left, though the peer sleeps")
	}
	close(asleep)
	read := func() {
		if msg, err := f.ReadMessage(); err != nil || string(msg) != "{}" {
			t.Fatalf("read %q, %v", msg, err)
		}
	}
	for range pings { // while the network is full
		read()
	}
	close(pinged)
	if err := f.Flush(); err != nil {
		t.Error(err)
	}
	if err := f.WriteMessages(more...); err != nil {
		t.Error(err)
	}
	read()
}

// wakeUp reads what was written in the peer's sleep, and pings once more.
func (s stall) wakeUp(p *peer, msgs [][]byte) error {
	pongs, err := p.receiveAll(msgs)
	if err == nil {
		pongs, err = p.receivePong(pongs, strconv.Itoa(pings-1))
	}
	if err == nil && !s.Strict && len(pongs) != pings {
		err = fmt.Errorf("%d pings were answered by %q", pings, pongs)
	}
	if err == nil {
		err = p.ping("awake")
	}
	if err == nil {
		_, err = p.receivePong(nil, "awake")
	}
	if err != nil {
		return err
	}
	return p.drain()
}

// receivePong reads pongs until there is that one, which may be there already.
func (p *peer) receivePong(pongs []string, want string) ([]string, error) {
	for !slices.Contains(pongs, want) {
		f, err := p.receive()
		if err != nil {
			return nil, err
		}
		if f.op != opPong {
			return nil, fmt.Errorf("peer: received %v, want the answer to ping %s", f, want)
		}
		pongs = append(pongs, string(f.payload))
	}
	return pongs, nil
}

// thousandStalls has the peer read only when the network is full.
func (s stall) thousandStalls() {
	t := s.T
	const times = 1000
	full, rest := make(chan [][]byte), make(chan struct{})
	f := s.connect(func(p *peer) error {
		defer close(rest)
		for msgs := range full {
			if _, err := p.receiveAll(msgs); err != nil {
				return err
			}
		}
		return nil
	})
	defer func() { <-rest }()
	defer close(full)
	for i := range times {
		var sent [][]byte
		for left := false; !left; {
			msgs := numbered(1+i%5, 20+i*7919%5000)
			left, sent = try(t, f, msgs), append(sent, msgs...)
		}
		select {
		case full <- sent:
		case <-rest:
			t.Fatalf("the peer has left after %d stalls", i)
		}
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}

// endlessPings has a peer ping that never reads: the answers must not fill the memory. The connection is given up by name,
// unless only the latest answer is kept.
func (s stall) endlessPings() {
	t := s.T
	const count = 5000
	ping := frame{op: opPing, payload: []byte(strings.Repeat("p", 125))}
	over := make(chan struct{})
	f := s.connect(func(p *peer) error {
		var err error
		for n := 0; n < count && err == nil; n++ {
			err = p.send(ping)
		}
		if err == nil {
			err = p.send(text("{}"))
		}
		<-over
		if s.Strict {
			return err
		}
		return nil // it was hung up on
	})
	defer close(over)
	if !try(t, f, numbered(100, 5000)) {
		t.Error("nothing was left, though the peer sleeps")
	}
	msg, err := f.ReadMessage()
	switch {
	case s.Strict && err == nil:
	case !s.Strict && errors.Is(err, rpc.ErrWriteStalled):
	default:
		t.Errorf("read %q, %v", msg, err)
	}
}

// closeDuringAStall ends a flush.
func (s stall) closeDuringAStall() {
	t := s.T
	over := make(chan struct{})
	f := s.connect(func(*peer) error {
		<-over
		return nil
	})
	defer close(over)
	if !try(t, f, numbered(100, 5000)) {
		t.Error("nothing was left, though the peer sleeps")
	}
	flushed := make(chan error, 1)
	joined(t, func() { flushed <- f.Flush() })
	closeTransport(t, f)
	if err := <-flushed; err == nil {
		t.Error("flushed, though nobody read")
	}
	if err := f.WriteMessages([]byte("{}")); err == nil {
		t.Error("write succeeded after close")
	}
}
