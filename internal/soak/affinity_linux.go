package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// pinThread binds a thread, 0 for the calling one, to the cores from first to last.
func pinThread(id, first, last int) error {
	var mask [16]uint64 // of up to 1,024 cores
	for core := first; core <= last; core++ {
		mask[core/64] |= 1 << (core % 64)
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(id), unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask))) //nolint:gosec // the kernel reads it
	if errno != 0 {
		return fmt.Errorf("sched_setaffinity: %w", errno)
	}
	return nil
}

// pinProcess binds every thread of this process. Later ones begin with the affinity of the one that starts them.
func pinProcess(first, last int) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := pinThread(id, first, last); err != nil {
			return err
		}
	}
	return nil
}
