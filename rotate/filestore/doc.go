// Package filestore keeps the secret of an API key in a file, shared by the processes of one machine.
//
// The file is only ever replaced as a whole: a new one is written beside it, flushed to the disk, and renamed over it. It
// carries a checksum, so that a damaged file is an error and never a wrong secret. Between processes a lock file beside it
// makes one access wait for another. Files beside it, whose names begin with a dot, are the Store's own: the lock, the file
// that is being written, and a reserve, which is room for one more secret on a disk that has filled up.
//
// What Load or Watch returns is as durable as what Save has acknowledged: a record that another process has put there, and
// died, is flushed before it is returned. A whole new file that a crash left takes the place of the old one, for it may be
// the only copy of a secret.
//
// The file and its directory must be the user's own: mode 0600, no symbolic and no second hard link, in a directory that
// nobody else may write to. On Windows modes, owners and links are not checked: there the access list of the directory
// has to do that, and a directory cannot be flushed, so that a rename may be lost with the power. On systems that have
// neither flock nor Windows' share modes, Open returns an error that matches [errors.ErrUnsupported].
package filestore
