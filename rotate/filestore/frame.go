package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/holdfast-ws/holdfast/rotate"
)

// magic is the first word of the file: what it is, and its format's version. Whatever a later version changes, its first line stays of this
// form, by which this one knows that such a file is whole.
const (
	magicName = "holdfast-secret-v"
	magic     = magicName + "1"
)

// errVersion is a file that is whole, and not of this version. What is in it is lost to who moves it away.
var errVersion = errors.New("a newer version of Holdfast has written it: use that one, and leave the file where it is")

// maxFile is far more than a record takes.
const maxFile = 1 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the first line: its first word, a CRC-32C of that and of the second line, and how long that one is.
func header(word, payload []byte) []byte {
	sum := crc32.Update(crc32.Checksum(word, castagnoli), castagnoli, payload)
	return fmt.Appendf(nil, "%s %08x %d\n", word, sum, len(payload))
}

// encode returns the file's text, for the caller to wipe.
func encode(record rotate.Record) ([]byte, error) {
	payload, err := rotate.EncodeRecord(record)
	if err != nil {
		return nil, err
	}
	defer clear(payload)
	text := append(header([]byte(magic), payload), payload...)
	return append(text, '\n'), nil
}

// decode takes nothing but what encode makes: there is one header for a payload.
func decode(text []byte) (rotate.Record, error) {
	first, rest, ok := bytes.Cut(text, []byte("\n"))
	word, _, _ := bytes.Cut(first, []byte(" "))
	if !ok || !bytes.HasPrefix(word, []byte(magicName)) {
		return rotate.Record{}, fmt.Errorf("%w: it does not begin with %q", rotate.ErrCorrupt, magic)
	}
	payload, ok := bytes.CutSuffix(rest, []byte("\n"))
	if !ok || !bytes.Equal(header(word, payload), text[:len(first)+1]) {
		return rotate.Record{}, fmt.Errorf("%w: the checksum is wrong", rotate.ErrCorrupt)
	}
	if string(word) != magic {
		return rotate.Record{}, fmt.Errorf("%w: %w", errVersion, rotate.ErrCorrupt)
	}
	record, err := rotate.DecodeRecord(payload)
	if err != nil { // whoever has made the checksum knew what this is
		return rotate.Record{}, fmt.Errorf("%w: %w", errVersion, err)
	}
	return record, nil
}
