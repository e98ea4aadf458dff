package deribittest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// pair returns both ends of a memory connection.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l := deribittest.NewMemoryListener()
	var wg sync.WaitGroup
	wg.Go(func() {
		var err error
		if server, err = l.Accept(); err != nil {
			t.Error(err)
		}
	})
	client, err := l.DialContext(t.Context(), "tcp", "anywhere:80")
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	t.Cleanup(func() { client.Close(); server.Close(); l.Close() })
	return client, server
}

func TestMemoryConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t)
		sent := bytes.Repeat([]byte("0123456789"), 100_000) // more than the buffer holds
		var wg sync.WaitGroup
		wg.Go(func() {
			if n, err := client.Write(sent); n != len(sent) || err != nil {
				t.Errorf("write: %d, %v", n, err)
			}
			client.Close()
		})
		got, err := io.ReadAll(server)
		wg.Wait()
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		if _, err := server.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write to a closed peer: %v", err)
		}
	})
}

func TestMemoryDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t)
		buf := make([]byte, 10)
		start := time.Now()
		client.SetReadDeadline(start.Add(time.Second))
		if _, err := client.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("read: %v after %v", err, time.Since(start))
		}
		if _, err := client.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read after the deadline: %v", err)
		}
		client.SetReadDeadline(time.Time{})
		server.Write([]byte("late"))
		if n, err := client.Read(buf); n != 4 || err != nil {
			t.Errorf("read without a deadline: %d, %v", n, err)
		}

		client.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := client.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 1<<20 {
			t.Errorf("write to a full buffer: %d, %v", n, err)
		}

		// A deadline set while a read waits reaches it.
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := client.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read under way: %v", err)
			}
		})
		synctest.Wait()
		client.SetDeadline(time.Now())
		wg.Wait()
	})
}

func TestMemoryListenerClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := deribittest.NewMemoryListener()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.DialContext(ctx, "tcp", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial that nobody accepts: %v", err)
		}
		for range 2 {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
		if _, err := l.DialContext(t.Context(), "tcp", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dial: %v", err)
		}
	})
}
