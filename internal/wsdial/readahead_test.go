package wsdial_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
)

// source is a connection that has data to read, in segments of at most that many bytes, and then ends.
type source struct {
	net.Conn
	data    []byte
	segment int
	reads   int
}

func (s *source) Read(p []byte) (int, error) {
	s.reads++
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.segment)], s.data)
	s.data = s.data[n:]
	return n, nil
}

// libraryBuffer is the size of the pieces that the libraries read, in bytes.
const libraryBuffer = 4096

func TestReadAheadSavesSystemCalls(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	s := &source{data: make([]byte, size), segment: 64 << 10}
	r := wsdial.NewReadAhead(s)
	got, err := io.ReadAll(io.LimitReader(struct{ io.Reader }{&pieces{r, libraryBuffer}}, size))
	if err != nil || len(got) != size {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	if most := size/wsdial.AheadSize + 1; s.reads > most {
		t.Errorf("%d reads below for %d bytes, want %d at most", s.reads, size, most)
	}
}

// pieces reads at most size bytes at a time.
type pieces struct {
	r    io.Reader
	size int
}

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.size)]) }

func TestReadAheadNeedsNoBufferForLittle(t *testing.T) {
	t.Parallel()
	s := &source{data: make([]byte, 100_000), segment: 318}
	r := wsdial.NewReadAhead(s)
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{&pieces{r, libraryBuffer}}); err != nil {
		t.Fatal(err)
	}
	if r.Kept() != 0 {
		t.Errorf("keeps %d bytes though one message came at a time", r.Kept())
	}
}

// FuzzReadAhead reads in pieces of one size what comes in segments of another: every byte, in order, then the end.
func FuzzReadAhead(f *testing.F) {
	f.Add(100_000, 64<<10, libraryBuffer)
	f.Add(50_000, 4096, 4096)
	f.Add(1000, 1, 3)
	f.Add(70_000, 40_000, 40_000)
	f.Fuzz(func(t *testing.T, size, segment, piece int) {
		size, segment, piece = size&(1<<18-1), max(segment&(1<<17-1), 1), max(piece&(1<<17-1), 1)
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * 7 >> 3)
		}
		r := wsdial.NewReadAhead(&source{data: data, segment: segment})
		var got []byte
		buf := make([]byte, piece)
		for {
			n, err := r.Read(buf)
			got = append(got, buf[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, data) {
			t.Errorf("read %d bytes that differ from the %d there were", len(got), len(data))
		}
	})
}
