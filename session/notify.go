package session

import (
	"bytes"

	"github.com/holdfast-ws/holdfast/rpc"
)

// deliver routes a subscription notification. It runs on the reader's goroutine. A channel's name that is written with
// escapes is not found; the exchange's names need none.
func (r *registry) deliver(epoch uint64, n *rpc.Notification) {
	name, data := unquote(n.Member("channel")), n.Member("data")
	var ch *channel
	if name != nil && data != nil {
		ch = r.channels.find(name)
	}
	if ch == nil {
		r.unrouted.Add(1)
		return
	}
	// The order matters: once the seam is gone, serving says who has been left.
	if seam := r.seam.Load(); seam != nil {
		seam.bring(epoch, ch, data)
	} else if epoch >= r.serving.Load() {
		ch.deliver(epoch, data)
	}
}

// unquote returns the inside of a string without escapes, nil for anything else.
func unquote(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return nil
	}
	return value[1 : len(value)-1]
}
