package transporttest

import (
	"encoding/binary"
	"fmt"
)

// masking has the client send many frames, alone, in batches and as answers to pings. The peer refuses a frame without a
// mask as it reads it; here it looks at the keys, which RFC 6455, section 5.3, wants fresh and unpredictable.
func (s suite) masking() {
	t, d := s.T, s.dialer
	const rounds, size = 64, 4
	batch := numbered(size, 100)
	done := make(chan error, 1)
	tr := connect(t, d, func(p *peer) error {
		var keys []uint32
		for len(keys) < rounds*(size+1) {
			f, err := p.receive()
			if err != nil {
				return err
			}
			keys = append(keys, binary.BigEndian.Uint32(f.mask[:]))
		}
		done <- unpredictable(keys)
		return p.drain()
	})
	for range rounds {
		for _, msgs := range [][][]byte{batch, batch[:1]} {
			if err := tr.WriteMessages(msgs...); err != nil {
				t.Fatalf("write: %v", err)
			}
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// unpredictable finds keys that repeat, or whose differences do. By chance alone one in ten thousand runs has a repetition,
// and none has three.
func unpredictable(keys []uint32) error {
	values, steps := map[uint32]bool{}, map[uint32]bool{}
	for i, key := range keys {
		values[key] = true
		if i > 0 {
			steps[key-keys[i-1]] = true
		}
	}
	if len(values) < len(keys)-3 || len(steps) < len(keys)-1-3 {
		return fmt.Errorf("%d masking keys have %d values and %d steps from one to the next", len(keys), len(values), len(steps))
	}
	return nil
}
