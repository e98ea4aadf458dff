package orderbook_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
)

// TestMain fails the package if any test leaves a goroutine behind.
func TestMain(m *testing.M) { leaktest.Main(m) }
