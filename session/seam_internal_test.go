package session

import "testing"

// TestSeamThatEndsUnderABacklog has more come over the connection that goes on than may wait, while the seam is being ended: that is told
// as a loss.
func TestSeamThatEndsUnderABacklog(t *testing.T) {
	t.Parallel()
	for _, sole := range []int{legBefore, legAfter} {
		r := newRegistry(func() {})
		gaps, messages := 0, 0
		sub := &Subscription{
			host: unobserved{&Session{subs: r}}, names: []string{"ticker.A"},
			handler: func(Notification) { messages++ },
			onGap:   func(error) { gaps++ },
		}
		if err := r.add(sub); err != nil {
			t.Fatal(err)
		}
		epochs := [2]uint64{1, 2}
		r.confirm(epochs[legBefore], sub.names, r.moment())
		x := r.newSeam(epochs[legBefore], epochs[legAfter])
		r.seam.Store(x)
		r.confirm(epochs[legAfter], sub.names, r.moment())
		ch := r.find("ticker.A")
		x.in(func() {
			if sole == legBefore {
				x.undo()
			} else {
				x.leave()
				x.end(legAfter)
			}
			for range maxTurned + 10 {
				x.bring(epochs[sole], ch, []byte("1"))
			}
		})
		if gaps != 1 || messages != maxTurned {
			t.Errorf("leg %d: %d gaps, %d messages of %d", sole, gaps, messages, maxTurned)
		}
		if r.seam.Load() != nil {
			t.Errorf("leg %d: the seam is still there", sole)
		}
	}
}
