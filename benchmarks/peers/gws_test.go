package peers

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lxzan/gws"
)

// dialGWS connects github.com/lxzan/gws, which calls back for each message on the goroutine that reads.
func dialGWS(tb testing.TB, url string) bare {
	tb.Helper()
	g := &gwsEvents{came: make(chan tally, 1)}
	conn, resp, err := gws.NewClient(g, &gws.ClientOption{Addr: url, ReadBufferSize: readBuffer, CheckUtf8Enabled: true})
	if err != nil {
		tb.Fatal(err)
	}
	resp.Body.Close()
	var reader sync.WaitGroup
	reader.Go(conn.ReadLoop)
	tb.Cleanup(func() {
		_ = conn.NetConn().Close() // the library has closed it already if the peer has
		reader.Wait()
	})
	write := writeEach(func(msg []byte) error { return conn.WriteMessage(gws.OpcodeText, msg) })
	return func(requests [][]byte, answers int) (tally, error) {
		g.answers.Store(int64(answers))
		if err := write(requests); err != nil {
			return tally{}, err
		}
		got, ok := <-g.came
		if !ok {
			return tally{}, g.err
		}
		return got, nil
	}
}

// gwsEvents counts messages on the reading goroutine.
type gwsEvents struct {
	gws.BuiltinEventHandler
	answers atomic.Int64 // how many are waited for
	tally   tally
	err     error // why it ended; written before came is closed
	came    chan tally
}

// OnMessage counts a message and hands the tally over when all have come.
func (g *gwsEvents) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer message.Close()
	if err := g.tally.add(message.Bytes()); err != nil {
		g.err = err
		conn.NetConn().Close() // ends the loop
		return
	}
	if int64(g.tally.messages) == g.answers.Load() {
		g.came <- g.tally
		g.tally = tally{}
	}
}

// OnClose tells who waits.
func (g *gwsEvents) OnClose(_ *gws.Conn, err error) {
	if g.err == nil {
		g.err = err
	}
	close(g.came)
}
