package rotate_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
