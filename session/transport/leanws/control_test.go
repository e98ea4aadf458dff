package leanws_test

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

// TestPingsDoNotHoldUpTheReader has a peer ping and send, and read nothing at all.
func TestPingsDoNotHoldUpTheReader(t *testing.T) {
	t.Parallel()
	const pings = 100
	synctest.Test(t, func(t *testing.T) {
		tr, server := pair(t)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range pings {
				write(t, server, frame(opPing, strconv.Itoa(i)))
				write(t, server, frame(opText, "{}"))
				synctest.Wait() // the message is read, and if no other is on its way, the answer is
			}
		})
		for range pings {
			if msg, err := tr.ReadMessage(); err != nil || string(msg) != "{}" {
				t.Fatalf("got %q, %v", msg, err)
			}
		}
		wg.Wait()
		synctest.Wait()

		// The first answer is on its way already; of the others only that to the latest ping is due.
		for _, want := range []int{0, pings - 1} {
			if op, payload := receive(t, server); op != opPong || payload != strconv.Itoa(want) {
				t.Errorf("got opcode %d and %q, want the answer to ping %d", op, payload, want)
			}
			synctest.Wait()
		}
	})
}

// TestPingIsAnsweredAfterTheWriteUnderWay has a ping come while a message longer than one write is leaving.
func TestPingIsAnsweredAfterTheWriteUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := pair(t)
		var wg sync.WaitGroup
		defer wg.Wait()
		msgs := make([][]byte, 2000) // 212 KB
		for i := range msgs {
			msgs[i] = fmt.Appendf(nil, "%0100d", i)
		}
		wg.Go(func() {
			if err := tr.WriteMessages(msgs...); err != nil {
				t.Errorf("write: %v", err)
			}
		})
		wg.Go(func() {
			if msg, err := tr.ReadMessage(); err != nil || string(msg) != "{}" {
				t.Errorf("read %q, %v", msg, err)
			}
		})
		synctest.Wait() // the write waits for the peer
		write(t, server, frame(opPing, "now"))
		write(t, server, frame(opText, "{}"))
		for i := range msgs {
			if op, payload := receive(t, server); op != opText || payload != string(msgs[i]) {
				t.Fatalf("got opcode %d and %q, want message %d", op, payload, i)
			}
		}
		if op, payload := receive(t, server); op != opPong || payload != "now" {
			t.Errorf("got opcode %d and %q, want the answer to the ping", op, payload)
		}
	})
}

func TestNothingIsReadAfterClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := pair(t)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { write(t, server, burst(2, 10)) })
		if _, err := tr.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if op, payload := receive(t, server); op != opClose || payload != "\x03\xe8" {
				t.Errorf("got opcode %d and %q, want a close frame with code 1000", op, payload)
			}
		})
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		if msg, err := tr.ReadMessage(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read %q, %v, want net.ErrClosed: a message that had come before Close", msg, err)
		}
	})
}

// TestNothingIsWrittenAfterACloseFrame has the peer close, and look at all that comes after its close frame was answered.
func TestNothingIsWrittenAfterACloseFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := pair(t)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { write(t, server, frame(opClose, "\x03\xe9bye")) })
		if _, err := tr.ReadMessage(); err == nil || !strings.Contains(err.Error(), "1001") {
			t.Fatalf("got %v, want an error with the code", err)
		}
		if op, payload := receive(t, server); op != opClose || payload != "\x03\xe9" {
			t.Errorf("got opcode %d and %q, want the code back", op, payload)
		}
		synctest.Wait()
		start := time.Now()
		if err := tr.WriteMessages([]byte("{}")); err == nil || !strings.Contains(err.Error(), "1001") {
			t.Errorf("a message after the close frame: %v, want an error with the code", err)
		}
		if err := tr.Close(); err != nil || time.Since(start) > 0 {
			t.Errorf("close: %v after %v, want nothing left to wait for", err, time.Since(start))
		}
		if n, err := server.Read(make([]byte, 1)); err == nil {
			t.Errorf("the peer got %d bytes more", n)
		}
	})
}

// TestNothingIsWrittenAfterOurCloseFrame has a message wait behind Close's close frame for a peer that reads nothing at first.
func TestNothingIsWrittenAfterOurCloseFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := pair(t)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			if msg, err := tr.ReadMessage(); err == nil {
				t.Errorf("read %q, and no message was sent", msg)
			}
		})
		write(t, server, frame(opPing, "now"))
		synctest.Wait() // the answer waits for the peer
		wg.Go(func() { leanws.Goodbye(tr) })
		synctest.Wait()
		wg.Go(func() {
			if err := tr.WriteMessages([]byte("{}")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a message behind the close frame: %v, want net.ErrClosed", err)
			}
		})
		synctest.Wait()
		if op, payload := receive(t, server); op != opPong || payload != "now" {
			t.Errorf("got opcode %d and %q, want the answer to the ping", op, payload)
		}
		if op, payload := receive(t, server); op != opClose || payload != "\x03\xe8" {
			t.Errorf("got opcode %d and %q, want a close frame with code 1000", op, payload)
		}
		synctest.Wait()
		wg.Go(func() {
			if n, err := server.Read(make([]byte, 1)); err == nil {
				t.Errorf("the peer got %d bytes more", n)
			}
		})
		synctest.Wait()
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestCloseWaitsForASecond for a peer that is busy with something else.
func TestCloseWaitsForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := pair(t)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { tr.Close() })
		<-time.After(time.Second - 1)
		if op, payload := receive(t, server); op != opClose || payload != "\x03\xe8" {
			t.Errorf("got opcode %d and %q, want a close frame with code 1000", op, payload)
		}
	})
}
