package wsdial_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
)

// readMessage reads one message of size bytes and checks it.
func readMessage(t *testing.T, b *wsdial.ReadBuffer, size int) {
	t.Helper()
	want := bytes.Repeat([]byte("z"), size)
	got, err := b.ReadMessage(bytes.NewReader(want))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes, %v, want %d", len(got), err, size)
	}
}

func TestReadBufferShrinksAfterAGiant(t *testing.T) {
	t.Parallel()
	const giant = wsdial.BufferLimit
	var b wsdial.ReadBuffer
	readMessage(t, &b, 318)
	if b.Size() != wsdial.BufferKeep {
		t.Errorf("holds %d bytes after a short message, want %d", b.Size(), wsdial.BufferKeep)
	}
	readMessage(t, &b, giant)
	if b.Size() > giant+8<<10 {
		t.Errorf("holds %d bytes after a message of %d", b.Size(), giant)
	}
	for range 12 {
		readMessage(t, &b, 318)
	}
	if b.Size() != wsdial.BufferKeep {
		t.Errorf("holds %d bytes after short messages, want %d", b.Size(), wsdial.BufferKeep)
	}
}

// TestReadBufferGrowsWithinBounds follows buffers from that of a short message on: what is held and what is outgrown are never more
// than five quarters of the longest message.
func TestReadBufferGrowsWithinBounds(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 1000, 16 << 10, 100_000, wsdial.BufferLimit + 2, 5_000_000} {
		for size := wsdial.BufferKeep; size < most; {
			next := wsdial.Grown(size, most)
			if next <= size || next > most || size+next > most+max(most/4, wsdial.BufferKeep) {
				t.Fatalf("%d grows to %d of %d", size, next, most)
			}
			size = next
		}
	}
	if n := wsdial.Grown(100, 10); n <= 100 {
		t.Errorf("a buffer that is longer than it should be grows from 100 to %d", n)
	}
}

func TestReadBufferKeepsWhatGiantsNeed(t *testing.T) {
	var b wsdial.ReadBuffer
	giant := bytes.Repeat([]byte("z"), 1<<20)
	readMessage(t, &b, len(giant))
	r := bytes.NewReader(giant)
	allocs := testing.AllocsPerRun(10, func() {
		r.Reset(giant)
		if _, err := b.ReadMessage(r); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per message of the same size, want 0", allocs)
	}
}

func TestReadBufferReturnsWhatCameBeforeAnError(t *testing.T) {
	t.Parallel()
	var b wsdial.ReadBuffer
	cut := errors.New("cut")
	got, err := b.ReadMessage(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(cut)))
	if !errors.Is(err, cut) || string(got) != "half" {
		t.Errorf("got %q, %v, want the half and the error", got, err)
	}
	if got, err := b.ReadMessage(iotest.OneByteReader(strings.NewReader("whole"))); err != nil || string(got) != "whole" {
		t.Errorf("got %q, %v, want the next message alone", got, err)
	}
}
