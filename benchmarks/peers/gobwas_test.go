package peers

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

// dialGobwas connects github.com/gobwas/ws by its frame functions, which leave the buffers to their caller: all frames of
// a batch leave in one write.
func dialGobwas(tb testing.TB, url string) bare {
	tb.Helper()
	conn, early, _, err := ws.Dial(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	if early != nil {
		tb.Fatal("the peer speaks unasked")
	}
	closeAtEnd(tb, conn)
	g := &gobwas{conn: conn, br: bufio.NewReaderSize(conn, readBuffer)}
	return pull(g.write, g.read)
}

type gobwas struct {
	conn   net.Conn
	br     *bufio.Reader
	out    bytes.Buffer
	in     []byte
	header [ws.MaxHeaderSize]byte
}

func (g *gobwas) write(msgs [][]byte) error {
	g.out.Reset()
	for _, msg := range msgs {
		h := ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Mask: ws.NewMask(), Length: int64(len(msg))}
		if err := ws.WriteHeaderBuffer(&g.out, h, g.header[:]); err != nil {
			return err
		}
		at := g.out.Len()
		g.out.Write(msg)
		ws.Cipher(g.out.Bytes()[at:], h.Mask, 0)
	}
	_, err := g.conn.Write(g.out.Bytes())
	return err
}

func (g *gobwas) read() ([]byte, error) {
	h, err := ws.ReadHeaderBuffer(g.br, g.header[:])
	if err != nil {
		return nil, err
	}
	if h.OpCode != ws.OpText || !h.Fin {
		return nil, fmt.Errorf("gobwas: unexpected frame %+v", h)
	}
	g.in = slices.Grow(g.in[:0], int(h.Length))[:h.Length]
	_, err = io.ReadFull(g.br, g.in)
	return g.in, err
}
