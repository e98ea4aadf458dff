package rotate_test

import (
	"flag"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

var killCases = flag.Int("cases", 4, "how many processes TestKill9 kills")

// TestKill9 has package internal/crashtest kill that many processes which rotate a key, and others recover. Its tests are a program of
// their own, for they are the processes, too.
func TestKill9(t *testing.T) {
	t.Parallel()
	args := []string{"test", "./internal/crashtest", "-run", "^TestKill9$", "-count=1", "-v", "-timeout=0", fmt.Sprintf("-cases=%d", *killCases)}
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	killed := regexp.MustCompile(`(\d+) processes killed in .* s: (\d+) recovered, 0 failed`).FindSubmatch(out)
	if killed == nil {
		t.Fatal("it does not say how many were killed")
	}
	if n, err := strconv.Atoi(string(killed[1])); err != nil || n == 0 || n < *killCases {
		t.Errorf("%d were killed, %v", n, err)
	}
}
