package session_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
)

// TestMain fails the package if any test leaves a goroutine behind: that is promise I11 for every test here.
func TestMain(m *testing.M) { leaktest.Main(m) }
