//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package filestore

import (
	"errors"
	"os"
)

const canLock = false

func tryLock(*os.Root, string) (*os.File, error) { return nil, errors.ErrUnsupported }

func isLocked(error) bool { return false }
