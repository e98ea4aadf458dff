package filestore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// childPath is the variable that makes the test binary a process that saves for ever.
const childPath = "HOLDFAST_TEST_FILESTORE"

// saveForEver saves one generation after another, and prints each when the store has acknowledged it.
func saveForEver(path string) {
	ctx := context.Background() //nolint:forbidigo // the root of a process of its own
	s, err := filestore.Open(path)
	for err == nil {
		r, loaded := s.Load(ctx)
		next := r.Current.Generation + 1
		if err = loaded; err == nil {
			_, err = s.Save(ctx, record(next), r.Version)
		}
		if err == nil {
			_, err = fmt.Fprintln(os.Stdout, next)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKill9 kills a process that saves, again and again: what it was told is saved is there, and the file is always whole.
func TestKill9(t *testing.T) {
	t.Parallel()
	path := safePath(t)
	create(t, path)
	for round := range 20 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childPath+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		said := bufio.NewScanner(out)
		var told uint64
		for n := 0; said.Scan(); n++ {
			if told, err = strconv.ParseUint(said.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
			if n == round {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the child has ended by itself")
		}
		if got := generation(t, open(t, path)); got < told || got > told+1 {
			t.Errorf("round %d: generation %d after %d was acknowledged", round, got, told)
		}
		if told == 0 {
			t.Errorf("round %d: nothing was saved", round)
		}
	}
}
