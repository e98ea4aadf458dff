package peers

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
)

// A bare is one connection of a WebSocket library, used as well as its API allows: large read buffers, buffers used
// again, contexts that cannot end. It sends requests, each as a text message, and returns what so many answers were.
type bare func(requests [][]byte, answers int) (tally, error)

// tally is what came.
type tally struct{ messages, bytes int }

var errNoObject = errors.New("message is no JSON object")

// add counts a message; it looks at both of its ends.
func (t *tally) add(msg []byte) error {
	if len(msg) < 2 || msg[0] != '{' || msg[len(msg)-1] != '}' {
		return fmt.Errorf("%w: %q", errNoObject, msg)
	}
	t.messages++
	t.bytes += len(msg)
	return nil
}

// pull makes a bare of a library that is asked for each message.
func pull(write func(msgs [][]byte) error, read func() ([]byte, error)) bare {
	return func(requests [][]byte, answers int) (tally, error) {
		var t tally
		if err := write(requests); err != nil {
			return t, err
		}
		for t.messages < answers {
			msg, err := read()
			if err != nil {
				return t, err
			}
			if err := t.add(msg); err != nil {
				return t, err
			}
		}
		return t, nil
	}
}

// writeEach is the write of a library that takes one message at a time.
func writeEach(write func(msg []byte) error) func(msgs [][]byte) error {
	return func(msgs [][]byte) error {
		for _, msg := range msgs {
			if err := write(msg); err != nil {
				return err
			}
		}
		return nil
	}
}

var libraries = []struct {
	name string
	dial func(tb testing.TB, url string) bare
}{
	{"nhooyr", dialNhooyr},
	{"coder", dialCoder},
	{"gorilla", dialGorilla},
	{"gobwas", dialGobwas},
	{"gws", dialGWS},
	{"lean", dialLean},
}

// A task is what a library is asked to do again and again.
type task struct {
	name     string
	ops      int // of a chunk: messages read, or requests answered
	times    int // exchanges of a chunk
	requests [][]byte
	answers  int   // of an exchange
	want     tally // of an exchange
	floor    func(tb testing.TB) chunk
}

// tasks returns what the libraries are asked to do.
func tasks(tb testing.TB, peer *wirepeer.Peer) []task {
	tb.Helper()
	const (
		read      = 16384 // notifications of a chunk
		batch     = 64
		streamFmt = `{"jsonrpc":"2.0","id":1,"method":"public/stream","params":{"count":%d,"channels":["book.ETH-PERPETUAL.100ms"]}}`
	)
	call := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, rawParams)
	answer := len(exchangeOnce(tb, peer.URL(), string(call)))
	ok := len(exchangeOnce(tb, peer.URL(), fmt.Sprintf(streamFmt, 0)))
	return []task{
		{
			name: "read", ops: read, times: 1,
			requests: [][]byte{fmt.Appendf(nil, streamFmt, read)}, answers: 1 + read,
			want:  tally{1 + read, ok + read*wirepeer.NotificationSize},
			floor: streamFloor(peer, read),
		},
		{
			name: "roundtrip", ops: 256, times: 256,
			requests: [][]byte{call}, answers: 1, want: tally{1, answer},
			floor: pingPongFloor(peer, 256, 1, len(call), answer),
		},
		{
			name: "batch64", ops: 32 * batch, times: 32,
			requests: slices.Repeat([][]byte{call}, batch), answers: batch, want: tally{batch, batch * answer},
			floor: pingPongFloor(peer, 32, batch, len(call), answer),
		},
	}
}

// chunk has the library do the task.
func (t task) chunk(library bare) chunk {
	return func() (int, error) {
		for range t.times {
			got, err := library(t.requests, t.answers)
			if err != nil {
				return 0, err
			}
			if got != t.want {
				return 0, fmt.Errorf("%s: got %+v, want %+v", t.name, got, t.want)
			}
		}
		return t.ops, nil
	}
}

// BenchmarkBare asks what a WebSocket library costs without a client on top: for each of many notifications that it reads,
// for a round trip, and for each of 64 requests that leave together. x-floor is the ratio to raw TCP that carries as
// many bytes with as few system calls.
func BenchmarkBare(b *testing.B) {
	peer := wirepeer.Start(b)
	for _, library := range libraries {
		for _, task := range tasks(b, peer) {
			b.Run(fmt.Sprintf("library=%s/what=%s", library.name, task.name), func(b *testing.B) {
				ours := contender{task.ops, task.chunk(library.dial(b, peer.URL()))}
				race{subject: ours, rivals: []contender{{task.ops, task.floor(b)}}}.report(b, "x-floor", "floor-ns")
			})
		}
	}
}
