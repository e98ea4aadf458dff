package leanws_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

// told has the peer send wire and returns the code of the close frame that it gets for it, and how reading ended.
func told(t *testing.T, tr rpc.Transport, server net.Conn, wire []byte) (code int, readErr error) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = server.Write(wire) // need not be read to its end
	})
	for readErr == nil {
		_, readErr = tr.ReadMessage()
	}
	op, payload := receive(t, server)
	if op != opClose || len(payload) != 2 {
		t.Fatalf("the peer got opcode %d and %q, want a close frame with a code", op, payload)
	}
	tr.Close()
	wg.Wait()
	return int(binary.BigEndian.Uint16([]byte(payload))), readErr
}

// long is a header whose length stands in 64 bits.
func long(length uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{0x80 | opText, 127}, length)
}

// TestViolationsAreTold looks at what stands closest to what is allowed.
func TestViolationsAreTold(t *testing.T) {
	t.Parallel()
	closing := func(code uint16) []byte { return frame(opClose, string(binary.BigEndian.AppendUint16(nil, code))) }
	for name, test := range map[string]struct {
		wire []byte
		code int
	}{
		"first reserved bit":         {[]byte{0xc0 | opText, 0}, 1002},
		"second reserved bit":        {[]byte{0xa0 | opText, 0}, 1002},
		"third reserved bit":         {[]byte{0x90 | opText, 0}, 1002},
		"masked":                     {[]byte{0x80 | opText, 0x80, 0, 0, 0, 0}, 1002},
		"125 in 16 bits":             {append([]byte{0x80 | opText, 126, 0, 125}, make([]byte, 125)...), 1002},
		"65535 in 64 bits":           {append(long(0xffff), make([]byte, 0xffff)...), 1002},
		"negative length":            {long(1 << 63), 1002},
		"largest length":             {long(1<<63 - 1), 1009},
		"opcode 3":                   {frame(3, ""), 1002},
		"opcode 7":                   {frame(7, ""), 1002},
		"opcode 11":                  {frame(11, ""), 1002},
		"opcode 15":                  {frame(15, ""), 1002},
		"ping of 126 bytes":          {frame(opPing, strings.Repeat("p", 126)), 1002},
		"ping in fragments":          {[]byte{opPing, 0}, 1002},
		"continuation of nothing":    {frame(0, "{}"), 1002},
		"message inside a message":   {append([]byte{opText, 1, '{'}, frame(opText, "}")...), 1002},
		"binary":                     {frame(2, "{}"), 1003},
		"text that is not UTF-8":     {frame(opText, "\xff"), 1007},
		"UTF-8 cut by the end":       {[]byte{opText, 1, 0xc3, 0x80, 1, '}'}, 1007},
		"reason that is not UTF-8":   {frame(opClose, "\x03\xe8\xff"), 1007},
		"close frame of one byte":    {frame(opClose, "\x03"), 1002},
		"code 999":                   {closing(999), 1002},
		"code 1004":                  {closing(1004), 1002},
		"code 1005":                  {closing(1005), 1002},
		"code 1006":                  {closing(1006), 1002},
		"code 1015":                  {closing(1015), 1002},
		"code 2999":                  {closing(2999), 1002},
		"code 5000":                  {closing(5000), 1002},
		"too long":                   {long(rpc.DefaultReadLimit + 1), 1009},
		"too long in fragments":      {append([]byte{opText, 1, '{'}, long(rpc.DefaultReadLimit)...), 1002},
		"too long as a continuation": {append([]byte{opText, 1, '{', 0x80, 127}, long(rpc.DefaultReadLimit)[2:]...), 1009},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // which ends if both wait
				tr, server := pair(t)
				if code, err := told(t, tr, server, test.wire); code != test.code {
					t.Errorf("the peer was told %d, want %d: %v", code, test.code, err)
				}
			})
		})
	}
}

// TestLimitsAreAllowed looks at what stands closest to what is not.
func TestLimitsAreAllowed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wire []byte
		want string
	}{
		"126 in 16 bits":           {frame(opText, strings.Repeat("x", 126)), strings.Repeat("x", 126)},
		"65536 in 64 bits":         {frame(opText, strings.Repeat("x", 1<<16)), strings.Repeat("x", 1<<16)},
		"ping of 125 bytes":        {append(frame(opPing, strings.Repeat("p", 125)), frame(opText, "{}")...), "{}"},
		"pong of 125 bytes":        {append(frame(opPong, strings.Repeat("p", 125)), frame(opText, "{}")...), "{}"},
		"a character in two parts": {[]byte{opText, 1, 0xc3, 0x80, 1, 0xa4}, "ä"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr, server := pair(t)
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() { write(t, server, test.wire) })
			if msg, err := tr.ReadMessage(); err != nil || string(msg) != test.want {
				t.Errorf("got %.40q, %v, want %.40q", msg, err, test.want)
			}
		})
	}
}

// TestCloseCodesOfThePeer are sent back, each that may be sent.
func TestCloseCodesOfThePeer(t *testing.T) {
	t.Parallel()
	for _, code := range []uint16{1000, 1003, 1007, 1014, 3000, 4999} {
		tr, server := pair(t)
		wire := frame(opClose, string(binary.BigEndian.AppendUint16(nil, code)))
		if got, err := told(t, tr, server, wire); got != int(code) {
			t.Errorf("code %d was answered by %d: %v", code, got, err)
		}
	}
}

// TestNoLimitIsTooHigh has a peer announce the longest frame there is, to a client that would take it.
func TestNoLimitIsTooHigh(t *testing.T) {
	t.Parallel()
	tr, server := pairWith(t, rpc.DialConfig{ReadLimit: math.MaxInt64})
	if code, err := told(t, tr, server, long(1<<63-1)); code != 1009 || !errors.Is(err, rpc.ErrMessageTooBig) {
		t.Errorf("the peer was told %d: %v", code, err)
	}
}

// TestMessagesAreTheCallersToExtend has a caller append to a message while the next one has come already.
func TestMessagesAreTheCallersToExtend(t *testing.T) {
	t.Parallel()
	tr, server := pair(t)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { write(t, server, slices.Concat(frame(opText, "one"), frame(opText, "two"))) })
	for _, want := range []string{"one", "two"} {
		msg, err := tr.ReadMessage()
		if err != nil || string(msg) != want {
			t.Fatalf("got %q, %v, want %q", msg, err, want)
		}
		_ = append(msg, "overwritten"...) //nolint:gocritic // what is behind the message is what matters
	}
}

// TestGoodbyeFollowsAPong that is on its way when the peer breaks the protocol.
func TestGoodbyeFollowsAPong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := pair(t)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			write(t, server, frame(opPing, "now"))
			synctest.Wait() // the answer waits for us
			write(t, server, frame(2, ""))
		})
		if _, err := tr.ReadMessage(); !errors.Is(err, rpc.ErrMalformed) {
			t.Errorf("read: %v", err)
		}
		for _, want := range []struct {
			opcode  byte
			payload string
		}{{opPong, "now"}, {opClose, "\x03\xeb"}} {
			if op, payload := receive(t, server); op != want.opcode || payload != want.payload {
				t.Errorf("got opcode %d and %q, want %d and %q", op, payload, want.opcode, want.payload)
			}
		}
	})
}

// TestTheFirstErrorStays when a close frame cannot be written either.
func TestTheFirstErrorStays(t *testing.T) {
	t.Parallel()
	tr, server := pair(t)
	server.Close()
	for range 2 {
		if err := tr.WriteMessages([]byte("{}")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write: %v, want the network's error", err)
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTheFirstReasonIsTold has a peer break the protocol while a message waits for it, and the client close then.
func TestTheFirstReasonIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := pair(t)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			if err := tr.WriteMessages([]byte("{}")); err != nil {
				t.Errorf("write: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { write(t, server, frame(2, "")) })
		if _, err := tr.ReadMessage(); !errors.Is(err, rpc.ErrMalformed) {
			t.Errorf("read: %v", err)
		}
		synctest.Wait()
		wg.Go(func() { tr.Close() })
		synctest.Wait()
		if op, payload := receive(t, server); op != opText || payload != "{}" {
			t.Errorf("got opcode %d and %q, want the message", op, payload)
		}
		if op, payload := receive(t, server); op != opClose || payload != "\x03\xeb" {
			t.Errorf("got opcode %d and %q, want a close frame with code 1003", op, payload)
		}
	})
}

// TestFramesBeginAnywhere in a buffer, even those with the longest header.
func TestFramesBeginAnywhere(t *testing.T) {
	t.Parallel()
	tr, server := pair(t)
	discard(t, server)
	giant := bytes.Repeat([]byte{'x'}, 1<<16)
	for rest := range 20 {
		if err := tr.WriteMessages(make([]byte, leanws.BufferLarge-8-rest), giant); err != nil {
			t.Fatal(err)
		}
	}
}
