//go:build !(unix || windows)

package filestore

import (
	"io/fs"
	"os"
)

func checkDirectory(fs.FileInfo) error { return nil }

func checkFile(fs.FileInfo) error { return nil }

func syncDirectory(*os.Root) error { return nil }
