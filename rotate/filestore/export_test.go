package filestore

import "github.com/holdfast-ws/holdfast/rotate"

// Disk and File are what a Store works on.
type (
	Disk = disk
	File = file
)

// ReserveSize is how much one more Save may take on a full disk.
const ReserveSize = reserveSize

// SetDisk has the Store work on what wrap makes of its directory.
func SetDisk(s *Store, wrap func(Disk) Disk) {
	s.open = func(dir string) (disk, error) {
		opened, err := openRoot(dir)
		if err != nil {
			return nil, err
		}
		return wrap(opened), nil
	}
}

// Encode and Decode are the file's format.
func Encode(r rotate.Record) ([]byte, error) { return encode(r) }

// Decode is the inverse of Encode.
func Decode(text []byte) (rotate.Record, error) { return decode(text) }
