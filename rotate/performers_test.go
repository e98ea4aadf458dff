package rotate_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
)

func TestEveryEffectIsPerformed(t *testing.T) {
	t.Parallel()
	for e := range core.Effect(core.Effects) {
		if !rotate.Performed(e) {
			t.Errorf("%v is not", e)
		}
	}
}
