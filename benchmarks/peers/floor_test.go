package peers

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
)

// What a frame adds to a payload of 126 to 65,535 bytes.
const (
	serverHeader = 4
	clientHeader = serverHeader + 4 // with the mask
)

// pingPongFloor returns the floor of a task that sends batch requests at once, times times: as many bytes in one write,
// and reads until the answers' bytes are in.
func pingPongFloor(peer *wirepeer.Peer, times, batch, request, answer int) func(tb testing.TB) chunk {
	return func(tb testing.TB) chunk {
		tb.Helper()
		request, answer := request+clientHeader, answer+serverHeader
		conn, err := peer.PingPong(tb.Context(), request, answer)
		if err != nil {
			tb.Fatal(err)
		}
		closeAtEnd(tb, conn)
		out, in := make([]byte, batch*request), make([]byte, batch*answer)
		return func() (int, error) {
			for range times {
				if _, err := conn.Write(out); err != nil {
					return 0, err
				}
				if _, err := io.ReadFull(conn, in); err != nil {
					return 0, err
				}
			}
			return times * batch, nil
		}
	}
}

// streamFloor returns the floor of reading so many notifications: as many bytes through a buffer of 64 KiB.
func streamFloor(peer *wirepeer.Peer, messages int) func(tb testing.TB) chunk {
	return func(tb testing.TB) chunk {
		tb.Helper()
		conn, err := peer.Stream(tb.Context(), wirepeer.NotificationSize+serverHeader)
		if err != nil {
			tb.Fatal(err)
		}
		closeAtEnd(tb, conn)
		ask, in := binary.BigEndian.AppendUint64(nil, uint64(messages)), make([]byte, readBuffer)
		return func() (int, error) {
			if _, err := conn.Write(ask); err != nil {
				return 0, err
			}
			for left := messages * (wirepeer.NotificationSize + serverHeader); left > 0; {
				n, err := conn.Read(in)
				if err != nil {
					return 0, err
				}
				left -= n
			}
			return messages, nil
		}
	}
}

func closeAtEnd(tb testing.TB, conn net.Conn) {
	tb.Helper()
	tb.Cleanup(func() {
		if err := conn.Close(); err != nil {
			tb.Error(err)
		}
	})
}
