//go:build unix

package wsdial

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// attempt writes what the network takes at once. One goroutine at a time uses it.
type attempt struct {
	conn net.Conn
	raw  syscall.RawConn
	once func(fd uintptr) bool // made once, since a closure allocates

	// Of the write under way.
	p   []byte
	n   int
	err error
}

// newAttempt returns nil if conn is not the operating system's own: what embeds such a one may mean more by Write.
func newAttempt(conn net.Conn) *attempt {
	var system syscall.Conn
	switch conn := conn.(type) {
	case *net.TCPConn:
		system = conn
	case *net.UnixConn:
		system = conn
	default:
		return nil
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return nil // closed already, as the next write will say
	}
	a := &attempt{conn: conn, raw: raw}
	a.once = a.system
	return a
}

// write writes the front of p, perhaps nothing of it.
func (a *attempt) write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	a.p = p
	err := a.raw.Write(a.once) // which keeps others from closing the descriptor
	a.p = nil
	if err != nil {
		return 0, err
	}
	return a.n, a.err
}

// system makes the system call. It never asks to be called again when the network has room.
func (a *attempt) system(fd uintptr) bool {
	for {
		a.n, a.err = syscall.Write(int(fd), a.p)
		if !errors.Is(a.err, syscall.EINTR) {
			break
		}
	}
	a.n = max(a.n, 0)
	switch {
	case errors.Is(a.err, syscall.EAGAIN):
		a.err = nil
	case a.err != nil:
		local := a.conn.LocalAddr()
		a.err = &net.OpError{
			Op: "write", Net: local.Network(), Source: local, Addr: a.conn.RemoteAddr(), Err: os.NewSyscallError("write", a.err),
		}
	}
	return true
}
