package peers

import (
	"os"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
)

func TestMain(m *testing.M) {
	wirepeer.Main()
	wirepeer.LeaveProcessor()
	os.Exit(m.Run())
}
