package crashtest_test

import (
	"os"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
)

// childVariable makes the test binary a process that rotates. What it is to do, and the secrets, come by its standard input.
const childVariable = "HOLDFAST_TEST_CRASH"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(child())
	}
	leaktest.Main(m)
}
