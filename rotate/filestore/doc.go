// Package filestore keeps the secret of an API key in a file, shared by the processes of one machine.
//
// The file is only ever replaced as a whole: a new one is written beside it, flushed to the disk, and renamed over it. It
// carries a checksum, so that a damaged file is an error and never a wrong secret. Between processes a lock file beside it
// makes one access wait for another.
//
// The file and its directory must be the user's own: mode 0600, no symbolic and no second hard link, in a directory that
// nobody else may write to. On Windows modes, owners and links are not checked: there the access list of the directory
// has to do that, and a directory cannot be flushed, so that a rename may be lost with the power. On systems that have
// neither flock nor Windows' share modes, Open returns an error that matches [errors.ErrUnsupported].
package filestore
