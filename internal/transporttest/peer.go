package transporttest

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it in the handshake
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// acceptGUID is the constant of RFC 6455, section 1.3.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// maxPeerFrame bounds what a peer reads, in bytes.
const maxPeerFrame = 16 << 20

// peer is the server's end of a connection. It writes and reads frames by hand, so that it can be wrong on purpose.
type peer struct {
	conn net.Conn
	br   *bufio.Reader
}

func newPeer(conn net.Conn) *peer { return &peer{conn: conn, br: bufio.NewReader(conn)} }

// request reads the opening handshake's request.
func (p *peer) request() (*http.Request, error) {
	req, err := http.ReadRequest(p.br)
	if err != nil {
		return nil, fmt.Errorf("peer: read request: %w", err)
	}
	return req, nil
}

// accept performs the opening handshake.
func (p *peer) accept() error {
	req, err := p.request()
	if err != nil {
		return err
	}
	return p.write([]byte(acceptance(req)))
}

// acceptanceSize is the length of each acceptance.
const acceptanceSize = 129

func acceptance(req *http.Request) string {
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + acceptGUID)) //nolint:gosec // as above
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
}

func (p *peer) write(b []byte) error {
	if _, err := p.conn.Write(b); err != nil {
		return fmt.Errorf("peer: write: %w", err)
	}
	return nil
}

// send writes frames in one write.
func (p *peer) send(frames ...frame) error {
	var b []byte
	for _, f := range frames {
		b = append(b, f.bytes()...)
	}
	return p.write(b)
}

// receive reads one frame, which must be a correct client's.
func (p *peer) receive() (frame, error) {
	f, err := p.readFrame()
	if err != nil {
		return frame{}, fmt.Errorf("peer: read: %w", err)
	}
	return f, nil
}

func (p *peer) readFrame() (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(p.br, head[:]); err != nil {
		return frame{}, err
	}
	if head[0]&0x70 != 0 {
		return frame{}, fmt.Errorf("reserved bits set: %#x", head[0])
	}
	if head[1]&0x80 == 0 {
		return frame{}, errors.New("frame is not masked")
	}
	size, err := p.readLength(head[1] & 0x7f)
	if err != nil {
		return frame{}, err
	}
	var mask [4]byte
	if _, err := io.ReadFull(p.br, mask[:]); err != nil {
		return frame{}, err
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(p.br, payload); err != nil {
		return frame{}, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return frame{op: head[0] & 0xf, more: head[0]&0x80 == 0, payload: payload, mask: mask}, nil
}

func (p *peer) readLength(short byte) (int64, error) {
	size := make([]byte, 8)
	var tail []byte
	switch short {
	case 126:
		tail = size[6:]
	case 127:
		tail = size
	default:
		return int64(short), nil
	}
	if _, err := io.ReadFull(p.br, tail); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint64(size)
	if n > maxPeerFrame || n < 126 || short == 127 && n <= 0xffff {
		return 0, fmt.Errorf("frame of %d bytes, as length %d says", n, short)
	}
	return int64(n), nil
}

// receiveText reads one frame and checks that it is want as a whole text message.
func (p *peer) receiveText(want string) error {
	f, err := p.receive()
	if err != nil {
		return err
	}
	if f.op != opText || f.more || string(f.payload) != want {
		return fmt.Errorf("peer: received %v, want the text %.40q", f, want)
	}
	return nil
}

// receiveClose reads frames until one is a close frame, and checks its code.
func (p *peer) receiveClose(code uint16) error {
	for {
		f, err := p.receive()
		if err != nil {
			return err
		}
		if f.op != opClose {
			continue
		}
		if len(f.payload) < 2 || binary.BigEndian.Uint16(f.payload) != code {
			return fmt.Errorf("peer: received %v, want code %d", f, code)
		}
		return nil
	}
}

// drain reads whatever comes until the client is gone. It answers the client's close frame.
func (p *peer) drain() error {
	for {
		f, err := p.readFrame()
		if err != nil {
			return nil //nolint:nilerr // the end is what drain waits for, and it has many forms
		}
		if f.op == opClose {
			if err := p.send(f); err != nil {
				return nil //nolint:nilerr // the client need not wait for the answer
			}
		}
	}
}

// frame is one frame without its mask; its zero value is a final empty continuation.
type frame struct {
	op      byte
	more    bool // not final
	rsv     byte // reserved bits in place, 0x70
	payload []byte
	mask    [4]byte // that a received frame came with
}

func (f frame) bytes() []byte {
	return append(f.header(uint64(len(f.payload))), f.payload...)
}

// header is the frame's header that claims the payload to be of that size.
func (f frame) header(size uint64) []byte {
	first := f.op | f.rsv
	if !f.more {
		first |= 0x80
	}
	switch {
	case size < 126:
		return []byte{first, byte(size)}
	case size <= 0xffff:
		return binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(size))
	default:
		return binary.BigEndian.AppendUint64([]byte{first, 127}, size)
	}
}

func (f frame) String() string {
	return fmt.Sprintf("frame of opcode %d, final %t, %d bytes, %.40q", f.op, !f.more, len(f.payload), f.payload)
}

func text(s string) frame { return frame{op: opText, payload: []byte(s)} }

func closing(code uint16, reason string) frame {
	return frame{op: opClose, payload: slices.Concat(binary.BigEndian.AppendUint16(nil, code), []byte(reason))}
}
