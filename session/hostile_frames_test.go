package session_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/internal/transporttest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// frame is one of a first byte and a payload below 64 KiB.
func frame(first byte, payload string) []byte {
	b := append(header(uint64(len(payload))), payload...)
	b[0] = first
	return b
}

// First bytes of frames.
const (
	more         = 0x01 // a text message of which fragments are to come
	continued    = 0x00
	final        = 0x80
	binaryFrame  = 0x82
	closeFrame   = 0x88
	pingFrame    = 0x89
	pongFrame    = 0x8a
	compressed   = 0xc1
	reservedBit2 = 0xa1
	reservedBit3 = 0x91
)

// lies is an attack of one write in which a length is not true. The peer hangs up, or goes on with frames that are as they should
// be and longer than the limit in all: lean refuses a length, the libraries what comes of it.
func lies(want error, wire []byte, hangUp ...bool) func(a *arena) {
	return breaks(want, func(f *foe) {
		f.send(wire)
		if len(hangUp) > 0 {
			f.Close()
			return
		}
		f.flood(text(`{"method":"m","params":"`+strings.Repeat("x", 60<<10)+`"}`), 2*rpc.DefaultReadLimit/(60<<10))
		f.look()
	})
}

// writes is an attack of one write.
func writes(want error, wire []byte) func(a *arena) {
	return breaks(want, func(f *foe) { f.send(wire) })
}

// hostileFrames are attacks by the framing.
var hostileFrames = []hostile{
	{"frame that announces 1 GiB", true, lies(rpc.ErrMessageTooBig, header(1<<30))},
	{"frame that announces 4 EiB", true, lies(rpc.ErrMessageTooBig, header(1<<62))},
	{"frame that announces a negative length", true, lies(nil, header(1<<63))},
	{"frame that announces a byte over the limit", true, lies(rpc.ErrMessageTooBig, header(rpc.DefaultReadLimit+1))},
	{"frame that announces all that is allowed, and nothing comes", true, outlasts(func(f *foe) { f.send(header(rpc.DefaultReadLimit)) })},
	{"frame that announces more than there is", true, lies(io.ErrUnexpectedEOF, append(header(100), `{"jsonrpc"`...), true)},
	{"frame that announces more than there is, and the next header in it", true, lies(rpc.ErrMalformed, append(header(12), "{\"jsonrpc\"\x01\x02{}"...))},
	{"frame that announces less than there is", true, lies(rpc.ErrMalformed, append(header(10), `{"jsonrpc":"2.0","id":1,"result":"ok"}`...))},
	{"half of a header", true, lies(io.ErrUnexpectedEOF, header(1 << 20)[:5], true)},
	{"message of 10 MiB", true, breaks(rpc.ErrMessageTooBig, func(f *foe) {
		f.send(header(10 << 20))
		f.flood(bytes.Repeat([]byte("x"), 64<<10), 10<<20/(64<<10))
		f.look()
	})},
	{"message at the limit that is no JSON", true, breaks(rpc.ErrMalformed, func(f *foe) {
		f.send(header(rpc.DefaultReadLimit))
		f.flood(bytes.Repeat([]byte("x"), 64<<10), rpc.DefaultReadLimit/(64<<10)-1)
		f.look()
		f.send(bytes.Repeat([]byte("x"), 64<<10))
	})},
	{"message at the limit after one of half of it", true, bears(func(f *foe) {
		for _, size := range []int{rpc.DefaultReadLimit / 2, rpc.DefaultReadLimit, rpc.DefaultReadLimit / 2, rpc.DefaultReadLimit} {
			f.send(header(uint64(size)), []byte(`{"method":"m","params":"`))
			f.flood(bytes.Repeat([]byte("x"), 1024), size/1024-1)
			f.look()
			f.send([]byte(strings.Repeat("x", 1024-len(`{"method":"m","params":""}`)) + `"}`))
		}
	}, harmless)},
	{"message that never ends", true, breaks(rpc.ErrMessageTooBig, func(f *foe) {
		f.send(frame(more, "{"))
		f.flood(frame(continued, strings.Repeat("x", 32<<10)), 1<<30/(32<<10))
	})},
	{"message in halves, that never ends", true, breaks(rpc.ErrMessageTooBig, func(f *foe) {
		for _, first := range []byte{more, continued} {
			half := header(rpc.DefaultReadLimit / 2)
			half[0] = first
			f.send(half)
			f.flood(bytes.Repeat([]byte("x"), 1024), rpc.DefaultReadLimit/2/1024-1)
			f.look()
			f.flood([]byte("x"), 1024)
			f.look()
		}
		f.send(frame(continued, "x"))
	})},
	{"a million fragments of one byte", true, bears(func(f *foe) {
		f.send(frame(more, `{"method":"m",`))
		f.flood(frame(continued, " "), 1_000_000)
		f.look()
		f.send(frame(final, `"params":1}`))
	}, unrouted(0))},
	{"fragments without a byte, without end", true, outlasts(func(f *foe) {
		f.send(frame(more, ""))
		f.flood(frame(continued, ""), 1<<30)
	})},
	{"compressed bomb, though nothing of the kind was agreed", true, writes(nil, bomb())},
	{"second reserved bit", true, writes(nil, frame(reservedBit2, "{}"))},
	{"third reserved bit", true, writes(nil, frame(reservedBit3, "{}"))},
	{"reserved opcode of data", true, writes(nil, frame(final|0x3, "{}"))},
	{"reserved opcode of control", true, writes(nil, frame(final|0xb, ""))},
	{"binary message", true, writes(rpc.ErrMalformed, frame(binaryFrame, "{}"))},
	{"empty message", true, writes(rpc.ErrMalformed, text(""))},
	{"continuation of nothing", true, writes(nil, frame(final, "{}"))},
	{"message inside a message", true, writes(nil, append(frame(more, "{"), text("{}")...))},
	{"ping in fragments", true, writes(nil, frame(pingFrame&^final, "p"))},
	{"ping of 126 bytes", true, writes(nil, frame(pingFrame, strings.Repeat("p", 126)))},
	{"close frame of one byte", true, writes(nil, frame(closeFrame, "\x03"))},
	{"close frame with code 1005, which is never sent", true, writes(nil, frame(closeFrame, "\x03\xed"))},
	{"close frame with code 65535", true, writes(nil, frame(closeFrame, "\xff\xff"))},
	{"close frame whose reason is no UTF-8", true, writes(nil, frame(closeFrame, "\x03\xe8\xff\xfe"))},
	{"answer behind a close frame", true, breaks(nil, func(f *foe) {
		f.send(append(frame(closeFrame, "\x03\xe8"), answer(f.victim)...)) // in one write: it is there when the close frame is read
	})},
	{"garbage", true, writes(nil, bytes.Repeat([]byte{0xff}, 1<<20))},
	{"HTTP in the middle", true, writes(nil, []byte("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"))},
	{"masked frame", true, forgiven(func(f *foe) {
		f.send(masked(`{"method":"m"}`))
	})},
	{"text that is no UTF-8", true, forgiven(func(f *foe) { f.send(text("{\"method\":\"m\",\"params\":\"\xff\xfe\"}")) })},
	{"length that is not in its shortest form", true, forgiven(func(f *foe) {
		const message = `{"method":"m"}`
		f.send(append(binary.BigEndian.AppendUint64([]byte{final | 0x1, 127}, uint64(len(message))), message...))
	})},
	{"flood of pings", true, floodOfPings},
	{"flood of pings from a peer that does not read", true, unreadPings},
	{"flood of pongs that nobody asked for", true, bears(func(f *foe) { f.flood(frame(pongFrame, "p"), 200_000) }, harmless)},
	{"peer that stops reading", true, stoppedReading},
	{"message a byte at a time, without end", true, bubble(silence(func(f *foe) {
		f.send(header(1000))
		for f.n == 1 {
			<-time.After(time.Second)
			if _, err := f.Write([]byte("x")); err != nil {
				return
			}
		}
	}))},
	{"half-open connection", true, bubble(silence(func(*foe) {}))},
}

// bomb is a frame that would be inflated to a thousand times its length.
func bomb() []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	for range 1024 {
		_, _ = w.Write(make([]byte, 32<<10)) // a buffer takes all
	}
	_ = w.Flush()
	return frame(compressed, b.String())
}

// masked is a text frame with a mask, as only a client sends it.
func masked(payload string) []byte {
	key := []byte{1, 2, 3, 4}
	b := append([]byte{final | 0x1, 0x80 | byte(len(payload))}, key...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// floodOfPings counts the answers: one for each ping at most.
func floodOfPings(a *arena) {
	const pings = 100_000
	pongs := make(chan int, 1)
	s := dial(a.T, a.config("public/hello", func(f *foe) {
		var flooding sync.WaitGroup
		defer flooding.Wait()
		first := f.victim
		flooding.Go(func() {
			f.flood(frame(pingFrame, "p"), pings)
			f.reply(first)
		})
		if f.behave("public/count") {
			pongs <- f.pongs
			f.reply(f.victim)
		}
	}))
	for range 2 {
		if got, err := a.call(s, patience); err != nil || got != "ok" {
			a.Errorf("the call ended with %q, %v", got, err)
		}
	}
	if err := s.Call(a.Context(), "public/count", nil, nil); err != nil {
		a.Error(err)
	}
	if n := <-pongs; n > pings {
		a.Errorf("%d answers to %d pings", n, pings)
	}
}

// unreadPings fills the network with answers that nobody reads: the connection is given up by name, or goes on with the latest
// answer. It is a Unix socket: over TCP a peer that does not read loses what tells it that it is read.
func unreadPings(a *arena) {
	l, err := net.Listen("unix", transporttest.SocketPath(a))
	if err != nil {
		a.Fatal(err)
	}
	cfg := a.config("public/hello", func(f *foe) {
		f.flood(frame(pingFrame, strings.Repeat("p", 125)), 20_000)
		f.look()
		f.reply(f.victim)
	}, l)
	cfg.NetDial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
		if err != nil {
			return nil, err
		}
		return conn, conn.(*net.UnixConn).SetWriteBuffer(8 << 10)
	}
	s := dial(a.T, cfg)
	if got, err := a.call(s, patience); (err != nil || got != "ok") && !errors.Is(err, rpc.ErrWriteStalled) {
		a.Errorf("the call ended with %q, %v", got, err)
	}
}

// stoppedReading has more calls than the network takes: they end by their deadlines, and the connection by its name.
func stoppedReading(a *arena) {
	seen := &loss{}
	cfg := a.config("public/hello", func(f *foe) {
		f.takeLittle(f.T)
		<-f.Context().Done()
	})
	cfg.NetDial, cfg.WriteTimeout, cfg.Observer = dialNarrow, 2*floodPatience, seen
	s := dial(a.T, cfg)
	if _, err := a.call(s, floodPatience); !isA[*rpc.CallError](err) {
		a.Errorf("the first call ended with %v", err)
	}
	results := pour(a.T, s)
	for range flood {
		r := <-results
		wantUnanswered(a.T, r)
		if a.sum.latest = max(a.sum.latest, r.late); r.late > lateness {
			a.Errorf("%s returned %v after its deadline", r.method, r.late)
		}
	}
	wantRecovery(a.T, s)
	if why := seen.reason(); !errors.Is(why, rpc.ErrWriteStalled) {
		a.Errorf("the observer was told of %v", why)
	}
}

// silence is an attack in virtual time by which no message comes any more: a call ends by its deadline, and the connection after
// two and a half intervals.
func silence(play func(f *foe)) func(a *arena) {
	return func(a *arena) {
		seen := &loss{}
		cfg := a.config("public/hello", play)
		cfg.Heartbeat, cfg.Observer = 10*time.Second, seen
		s := dial(a.T, cfg)
		if _, err := a.call(s, 5*time.Second); !isA[*rpc.CallError](err) {
			a.Errorf("the call ended with %v", err)
		}
		start := time.Now()
		wantRecovery(a.T, s)
		if took := time.Since(start); took > 35*time.Second {
			a.Errorf("the silence was noticed after %v", took)
		}
		if why := seen.reason(); !errors.Is(why, session.ErrSilent) {
			a.Errorf("the observer was told of %v", why)
		}
	}
}
