package transporttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// url and secureURL are dialed where NetDial leads elsewhere anyway.
const (
	url       = "ws://exchange.invalid/ws/api/v2"
	secureURL = "wss://exchange.invalid/ws/api/v2"
)

// closePatience is how long Close may take.
const closePatience = time.Second

func (s suite) closeFrames() {
	t, d := s.T, s.dialer
	t.Run("no code", func(t *testing.T) {
		tr := connect(t, d, func(p *peer) error {
			if err := p.send(frame{op: opClose}); err != nil {
				return err
			}
			if f, err := p.receive(); err != nil || f.op != opClose || len(f.payload) > 0 {
				return fmt.Errorf("answer to a close frame without a code: %v, %w", f, err)
			}
			return nil
		})
		_, err := tr.ReadMessage()
		hasErrorType(t, err, "close_1005")
	})
	for code, errorType := range map[uint16]string{
		1000: "close_1000", 1001: "close_1001", 1011: "close_1011", 1012: "close_1012", 3999: "close_3xxx", 4000: "close_4xxx",
	} {
		name := strconv.Itoa(int(code))
		t.Run(name, func(t *testing.T) {
			tr := connect(t, d, func(p *peer) error {
				if err := p.send(text("last words"), closing(code, "maintenance")); err != nil {
					return err
				}
				return p.receiveClose(code)
			})
			if msg, err := tr.ReadMessage(); err != nil || string(msg) != "last words" {
				t.Fatalf("got %q, %v", msg, err)
			}
			_, err := tr.ReadMessage()
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "maintenance") {
				t.Errorf("got %v, want an error with the code and the reason", err)
			}
			hasErrorType(t, err, errorType)
		})
	}
}

// hasErrorType checks what telemetry will call err.
func hasErrorType(t *testing.T, err error, want string) {
	t.Helper()
	typed, ok := errors.AsType[interface {
		error
		ErrorType() string
	}](err)
	if !ok || typed.ErrorType() != want {
		t.Errorf("got %v, want an error of type %s", err, want)
	}
}

// cutAnywhere ends the connection after each number of bytes of a fragmented message: no part of it may pass for the
// whole.
func (s suite) cutAnywhere() {
	t, d := s.T, s.dialer
	first := frame{op: opText, more: true, payload: []byte("one")}
	last := frame{op: opContinuation, payload: []byte("two")}
	wire := append(first.bytes(), last.bytes()...)
	for cut := range wire {
		tr := connect(t, d, func(p *peer) error { return p.write(wire[:cut]) })
		want := io.ErrUnexpectedEOF
		if cut == 0 || cut == 1 && !s.strict { // the libraries begin with the two bytes that every header has
			want = io.EOF
		}
		if msg, err := tr.ReadMessage(); !errors.Is(err, want) {
			t.Errorf("cut after %d of %d bytes: got %q, %v, want %v", cut, len(wire), msg, err, want)
		}
		closeTransport(t, tr)
	}
}

// lastBytesWithTheEnd has the last bytes of a whole message come together with the end of the connection, as they may
// over TLS: the message counts.
func (s suite) lastBytesWithTheEnd() {
	t, d := s.T, s.dialer
	for _, size := range []int{10, 100_000} { // within the libraries' buffers, and beyond
		last := strings.Repeat("x", size)
		conn := newScripted(text(last).bytes())
		conn.endWithData = true
		tr := dial(t, d, rpc.DialConfig{URL: url, NetDial: conn.dial})
		if msg, err := tr.ReadMessage(); err != nil || string(msg) != last {
			t.Errorf("got %d bytes, %v, want %d", len(msg), err, size)
		}
		if msg, err := tr.ReadMessage(); !errors.Is(err, io.EOF) {
			t.Errorf("got %d bytes, %v, want io.EOF", len(msg), err)
		}
	}
}

func (s suite) endWithoutCloseFrame() {
	t, d := s.T, s.dialer
	tr := connect(t, d, func(p *peer) error { return p.send(text("last words")) })
	if msg, err := tr.ReadMessage(); err != nil || string(msg) != "last words" {
		t.Fatalf("got %q, %v", msg, err)
	}
	if msg, err := tr.ReadMessage(); !errors.Is(err, io.EOF) {
		t.Errorf("got %q, %v, want io.EOF", msg, err)
	}
	if msg, err := tr.ReadMessage(); err == nil {
		t.Errorf("got %q after the end, want an error", msg)
	}
}

// silent takes the handshake and nothing else, until the test ends it.
func silent(until <-chan struct{}) script {
	return afterAccept(func(*peer) error {
		<-until
		return nil
	})
}

// toSilence leads to in-memory servers that say nothing after the handshake, without TLS and with it.
func toSilence(t *testing.T) map[string]rpc.DialConfig {
	t.Helper()
	over := make(chan struct{})
	id := newIdentity(t, "exchange.invalid", time.Now().Add(time.Hour))
	configs := map[string]rpc.DialConfig{
		"ws":  {URL: url, NetDial: inMemory(t, nil, silent(over))},
		"wss": {URL: secureURL, NetDial: inMemory(t, id.server, silent(over)), TLS: id.client()},
	}
	t.Cleanup(func() { close(over) }) // before the wait for the servers
	return configs
}

// closeIsPrompt closes tr and checks that this takes no longer than it may. It needs the exact clock of a bubble.
func closeIsPrompt(t *testing.T, tr rpc.Transport) {
	t.Helper()
	start := time.Now()
	closeTransport(t, tr)
	if took := time.Since(start); took > closePatience {
		t.Errorf("close took %v, want %v at most", took, closePatience)
	}
}

func (s suite) closeUnblocksRead() {
	synctest.Test(s.T, func(t *testing.T) {
		for name, cfg := range toSilence(t) {
			tr := dial(t, s.dialer, cfg)
			read := make(chan error, 1)
			joined(t, func() {
				_, err := tr.ReadMessage()
				read <- err
			})
			synctest.Wait()
			closeIsPrompt(t, tr)
			if err := <-read; err == nil {
				t.Errorf("%s: read returned a message after close", name)
			}
		}
	})
}

func (s suite) closeUnblocksWrite() {
	synctest.Test(s.T, func(t *testing.T) {
		for name, cfg := range toSilence(t) {
			for _, msgs := range [][][]byte{numbered(1, 100), numbered(10, 100)} {
				tr := dial(t, s.dialer, cfg)
				written := make(chan error, 1)
				joined(t, func() { written <- tr.WriteMessages(msgs...) })
				synctest.Wait()
				closeIsPrompt(t, tr)
				if err := <-written; err == nil {
					t.Errorf("%s: write of %d messages succeeded though nobody read", name, len(msgs))
				}
			}
		}
	})
}

// closeUnblocksWriteOverTCP fills the peer's receive window first, with and without TLS.
func (s suite) closeUnblocksWriteOverTCP() {
	t := s.T
	id := newIdentity(t, "127.0.0.1", time.Now().Add(time.Hour))
	over := make(chan struct{})
	_, plain := listen(t, nil, silent(over))
	_, secure := listen(t, id.server, silent(over))
	t.Cleanup(func() { close(over) })

	for _, cfg := range []rpc.DialConfig{{URL: "ws://" + plain}, {URL: "wss://" + secure, TLS: id.client()}} {
		tr := dial(t, s.dialer, cfg)
		written := make(chan error, 1)
		joined(t, func() {
			msgs := numbered(64, 10_000)
			err := tr.WriteMessages(msgs...)
			for err == nil {
				err = tr.WriteMessages(msgs...)
			}
			written <- err
		})
		select {
		case err := <-written:
			t.Fatalf("write ended before close: %v", err)
		case <-time.After(100 * time.Millisecond): // either way the test holds; this makes it hard
		}
		closeTransport(t, tr)
		if err := <-written; err == nil {
			t.Error("write succeeded though nobody read")
		}
	}
}

func (s suite) closeTwice() {
	t, d := s.T, s.dialer
	tr := connect(t, d, echo)
	for range 4 {
		joined(t, func() { closeTransport(t, tr) })
	}
	closeTransport(t, tr)
	closeTransport(t, tr)
	if err := tr.WriteMessages([]byte("{}")); err == nil {
		t.Error("write succeeded after close")
	}
	if msg, err := tr.ReadMessage(); err == nil {
		t.Errorf("read %q after close", msg)
	}
}

// closeFromEverywhere has many close a connection with a stalled write at once: all return when it is closed, in time.
func (s suite) closeFromEverywhere() {
	synctest.Test(s.T, func(t *testing.T) {
		for _, cfg := range toSilence(t) {
			tr := dial(t, s.dialer, cfg)
			joined(t, func() {
				if err := tr.WriteMessages(numbered(10, 100)...); err == nil {
					t.Error("write succeeded though nobody read")
				}
			})
			synctest.Wait()
			start := time.Now()
			for range 4 {
				joined(t, func() {
					if closeIsPrompt(t, tr); time.Since(start) < closePatience { // nobody reads the close frame
						t.Errorf("close returned after %v, while another one went on", time.Since(start))
					}
				})
			}
			closeIsPrompt(t, tr)
			if err := tr.WriteMessages([]byte("{}")); err == nil {
				t.Error("write succeeded after close")
			}
		}
	})
}

func (s suite) contextEndedAfterDial() {
	t, d := s.T, s.dialer
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		tr, err := d.Dial(ctx, rpc.DialConfig{URL: url, NetDial: inMemory(t, nil, afterAccept(echo))})
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		defer closeTransport(t, tr)
		<-time.After(2 * time.Minute)
		cancel()
		synctest.Wait()
		exchange(t, tr, []byte("still there"))
	})
}

func (s suite) idleForADay() {
	t, d := s.T, s.dialer
	synctest.Test(t, func(t *testing.T) {
		id := newIdentity(t, "exchange.invalid", time.Now().AddDate(0, 1, 0))
		for _, cfg := range []rpc.DialConfig{
			{URL: url, NetDial: inMemory(t, nil, afterAccept(echo))},
			{URL: secureURL, NetDial: inMemory(t, id.server, afterAccept(echo)), TLS: id.client()},
		} {
			tr := dial(t, d, cfg)
			<-time.After(24 * time.Hour)
			exchange(t, tr, []byte("still there"))
			closeTransport(t, tr)
		}
	})
}
