package memstore_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/rotate/storetest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(testing.TB) storetest.Opener {
		s := memstore.New()
		return func() rotate.Store { return s }
	})
}

// TestZeroStore: a Store that nobody has made is an empty one.
func TestZeroStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(testing.TB) storetest.Opener {
		var s memstore.Store
		return func() rotate.Store { return &s }
	})
}
