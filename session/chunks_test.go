package session_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/session"
)

func TestFrameful(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		count, bytes int // of names, and of each
		want         int
	}{
		{"few", 3, 20, 3},
		{"as many as the exchange takes", 500, 20, 500},
		{"one more", 501, 20, 500},
		{"long names", 500, 128, 30 << 10 / (128 + 3)},
		{"one", 1, 128, 1},
		{"one that no frame holds", 3, 31 << 10, 1},
	} {
		names := slices.Repeat([]string{strings.Repeat("n", c.bytes)}, c.count)
		if got := session.Frameful(names); got != c.want {
			t.Errorf("%s: %d fit, want %d", c.name, got, c.want)
		}
	}
}

// TestChunksFitTheExchange checks for any names that they are all asked for, in order, private ones first and by the
// private method, in frames of at most 500 names and 32 kB.
func TestChunksFitTheExchange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var names []string
		for i := range rapid.IntRange(0, 1500).Draw(t, "count") {
			prefix := "book."
			if i%3 == 0 {
				prefix = "user.orders."
			}
			names = append(names, fmt.Sprintf("%s%04d.%s", prefix, i, strings.Repeat("x", i%rapid.IntRange(1, 100).Draw(t, "len"))))
		}
		var asked []string
		for method, chunk := range session.Chunks(names) {
			frame, err := json.Marshal(map[string]any{
				"jsonrpc": "2.0", "id": uint64(1) << 53, "method": method, "params": map[string]any{"channels": chunk},
			})
			if err != nil || len(chunk) == 0 || len(chunk) > session.MaxChannels || len(frame) >= session.MaxFrame {
				t.Fatalf("a frame of %d names in %d bytes: %v", len(chunk), len(frame), err)
			}
			for _, name := range chunk {
				if session.IsPrivateChannel(name) != (method == "private/subscribe") {
					t.Fatalf("%s by %s", name, method)
				}
			}
			asked = append(asked, chunk...)
		}
		slices.SortStableFunc(names, func(a, b string) int { return privateFirst(a) - privateFirst(b) })
		if !slices.Equal(asked, names) {
			t.Fatalf("asked for %d names, want %d", len(asked), len(names))
		}
	})
}

func privateFirst(name string) int {
	if session.IsPrivateChannel(name) {
		return 0
	}
	return 1
}
