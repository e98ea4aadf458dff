package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// beat ticks to the microsecond: the runtime's own timers round up to a millisecond. A read of it waits in the poller, as a
// read from a network does.
type beat struct{ timer *os.File }

const (
	monotonic = 1 // CLOCK_MONOTONIC
	flags     = syscall.O_NONBLOCK | syscall.O_CLOEXEC
)

func newBeat(every time.Duration) (*beat, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, monotonic, flags, 0)
	if errno != 0 {
		return nil, fmt.Errorf("soak: timerfd_create: %w", errno)
	}
	b := &beat{os.NewFile(fd, "timer")}
	spec := struct{ interval, first syscall.Timespec }{
		syscall.NsecToTimespec(every.Nanoseconds()), syscall.NsecToTimespec(every.Nanoseconds()),
	}
	_, _, errno = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0) //nolint:gosec // the kernel reads it
	if errno != 0 {
		return nil, fmt.Errorf("soak: timerfd_settime: %w", errno)
	}
	return b, nil
}

// next waits for the next tick, and returns how many are due.
func (b *beat) next() (due int, err error) {
	var count [8]byte
	if _, err := b.timer.Read(count[:]); err != nil {
		return 0, err
	}
	return int(binary.NativeEndian.Uint64(count[:])), nil //nolint:gosec // a run is short
}

func (b *beat) close() error { return b.timer.Close() }
