package wirepeer

import (
	"encoding/binary"
	"errors"
	"net"
)

// What a raw connection is for.
const (
	pingPong = 1 + iota
	stream
)

// script is what the client of a raw connection says first, once.
type script struct {
	Kind            int64
	Request, Answer int64 // in bytes
}

// pieceSize is how much is written at once, in bytes.
const pieceSize = 64 << 10

var errScript = errors.New("no such script")

func serveFloor(conn net.Conn) error {
	var s script
	if err := binary.Read(conn, binary.BigEndian, &s); err != nil {
		return err
	}
	switch {
	case s.Kind == pingPong && s.Request > 0 && s.Answer > 0:
		return playPingPong(conn, int(s.Request), int(s.Answer))
	case s.Kind == stream && s.Answer > 0:
		return playStream(conn, int(s.Answer))
	}
	return errScript
}

func playPingPong(conn net.Conn, request, answer int) error {
	in, out := make([]byte, pieceSize), make([]byte, max(pieceSize, answer))
	got := 0 // bytes of requests without an answer
	for {
		n, err := conn.Read(in)
		if err != nil {
			return err
		}
		got += n
		owed := got / request * answer
		got %= request
		if err := writeBytes(conn, out, owed); err != nil {
			return err
		}
	}
}

func playStream(conn net.Conn, size int) error {
	out := make([]byte, max(pieceSize/size*size, size)) // whole messages
	for {
		var count int64
		if err := binary.Read(conn, binary.BigEndian, &count); err != nil {
			return err
		}
		if err := writeBytes(conn, out, int(count)*size); err != nil {
			return err
		}
	}
}

// writeBytes writes n bytes, as many at once as out has.
func writeBytes(conn net.Conn, out []byte, n int) error {
	for n > 0 {
		m, err := conn.Write(out[:min(n, len(out))])
		if err != nil {
			return err
		}
		n -= m
	}
	return nil
}
