package benchmarks

import (
	"fmt"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// BenchmarkCallConn asks what the session adds to a call. x-conn is the ratio to the same call on a bare connection.
func BenchmarkCallConn(b *testing.B) {
	peer := wirepeer.Start(b)
	for _, load := range loads {
		b.Run(fmt.Sprintf("callers=%d", load.callers), func(b *testing.B) {
			lane := func(string) rpc.Lane { return rpc.LaneOrder }
			conn := connect(b, peer.URL(), rpc.Config{Lane: lane})
			s := dial(b, session.Config{URL: peer.URL(), Credentials: credentials, Dialer: fastest})
			alternate(b, "x-conn", orders(b, conn, load).chunk, orders(b, s, load).chunk)
		})
	}
}
