package exchangetest

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
)

// canaries is the environment variable that names the directory where a run of the tests leaves what they log and the secrets that
// must not be in it.
const canaries = "HOLDFAST_CANARIES"

// Logger writes everything to w, and to the run's log if one is kept.
func Logger(w io.Writer) *slog.Logger {
	kept, err := kept(".log")
	if err != nil {
		panic(err) // a log that is not kept would be found clean
	}
	return slog.New(slog.NewTextHandler(io.MultiWriter(w, kept), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// KeepSecrets adds secrets to those that must be in no output of the run, but for codes of a second factor, which are too short to be
// told from other numbers.
func KeepSecrets(tb testing.TB, secrets []string) {
	tb.Helper()
	var lines strings.Builder
	for _, secret := range secrets {
		if len(secret) > len("123456") {
			fmt.Fprintln(&lines, secret)
		}
	}
	file, err := kept(".secrets")
	if err == nil {
		_, err = io.WriteString(file, lines.String())
	}
	if err != nil {
		tb.Error(err)
	}
}

var (
	keptMu sync.Mutex
	files  = map[string]io.Writer{} // by ending
)

// kept returns the process's file with the ending, or nothing's if none is kept. A line is written whole.
func kept(ending string) (io.Writer, error) {
	dir := os.Getenv(canaries)
	if dir == "" {
		return io.Discard, nil
	}
	keptMu.Lock()
	defer keptMu.Unlock()
	if file, ok := files[ending]; ok {
		return file, nil
	}
	file, err := os.CreateTemp(dir, "*"+ending)
	if err != nil {
		return nil, err
	}
	files[ending] = file
	return file, nil
}
