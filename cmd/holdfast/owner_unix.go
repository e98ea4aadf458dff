//go:build unix

package main

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner refuses a file of somebody else: the one that takes its place would be whose program this is, and its owner could not read it.
func checkOwner(info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return errors.New("belongs to somebody else: run this as its owner, or chown it")
	}
	return nil
}
