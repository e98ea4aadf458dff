//go:build unix

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkDirectory refuses a directory in which others could put another file in the place of ours.
func checkDirectory(info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%w: others may write to the directory: chmod 700 it", ErrPermissions)
	case !ok || int(stat.Uid) != os.Geteuid() && stat.Uid != 0:
		return fmt.Errorf("%w: the directory belongs to another user", ErrPermissions)
	}
	return nil
}

// checkFile refuses what others could read, or reach by another name.
func checkFile(info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: it is a symbolic link: name the file itself", ErrPermissions)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: it is no regular file", ErrPermissions)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%w: mode %04o lets others at it: chmod 600 it, and reset the key if they may have read it",
			ErrPermissions, info.Mode().Perm())
	case !ok || int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%w: it belongs to another user", ErrPermissions)
	case stat.Nlink > 1:
		return fmt.Errorf("%w: it has a second name (hard link): remove that", ErrPermissions)
	}
	return nil
}

// syncDirectory makes a rename durable.
func syncDirectory(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
