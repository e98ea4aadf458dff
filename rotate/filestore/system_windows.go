package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const canLock = true

// checkDirectory has nothing to go by: a mode says nothing of an access list.
func checkDirectory(fs.FileInfo) error { return nil }

// checkFile can tell a link from a file, and no more.
func checkFile(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is no regular file", ErrPermissions)
	}
	return nil
}

// syncDirectory does nothing: a directory cannot be flushed here.
func syncDirectory(*os.Root) error { return nil }

// errorSharingViolation is ERROR_SHARING_VIOLATION.
const errorSharingViolation = syscall.Errno(32)

// tryLock opens a file that nobody else can open meanwhile. The system closes it if the process dies.
func tryLock(root *os.Root, name string) (*os.File, error) {
	path, err := syscall.UTF16PtrFromString(filepath.Join(root.Name(), name))
	if err != nil {
		return nil, err
	}
	handle, err := syscall.CreateFile(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(handle), name), nil
}

func isLocked(err error) bool { return errors.Is(err, errorSharingViolation) }
