package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

func TestParse(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"-for", "1s", "SOL_USDC-PERPETUAL"})
	if err != nil || opts.run != time.Second || len(opts.instruments) != 1 || opts.interval != "raw" || !opts.isSimulated() {
		t.Errorf("%+v, %v", opts, err)
	}
	for args, url := range map[string]string{
		"-client-id=a -secret-file=b":               session.TestURL,
		"-client-id=a -secret-file=b -url=wss://c":  "wss://c",
		"-url=wss://c -interval=100ms":              "wss://c",
		"-interval=100ms -cut=2s":                   "",
		"-client-id=a -secret-file=b -interval=raw": session.TestURL,
	} {
		if opts, err := parse(strings.Fields(args)); err != nil || opts.url != url {
			t.Errorf("%s: %q, %v", args, opts.url, err)
		}
	}
	for args, why := range map[string]string{
		"-for=0s":                              "-for and -every must be positive",
		"-every=0s":                            "-for and -every must be positive",
		"-cut=-1s":                             "-cut not negative",
		"-nothing":                             "not defined",
		"-client-id=a":                         "-client-id and -secret-file belong together",
		"-secret-file=b":                       "-client-id and -secret-file belong together",
		"-url=wss://c -secret-file=b":          "-client-id and -secret-file belong together",
		"-url=wss://c":                         "-interval raw needs a key",
		"-url=wss://c -interval=100ms -cut=1s": "simulated exchange alone",
		"-client-id=a -secret-file=b -cut=1s":  "simulated exchange alone",
	} {
		if _, err := parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", args, err, why)
		}
	}
}

// TestRunWithAKey against an exchange that is not its own: the secret is that of the file, and is in nothing that is said.
func TestRunWithAKey(t *testing.T) {
	t.Parallel()
	exchange, err := deribittest.New(deribittest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer exchange.Close()
	key := exchange.AddKey(deribittest.KeyConfig{})
	const wrong = "hush-hush-hush"
	dir := t.TempDir()
	for name, text := range map[string]string{"right": key.Secret + "\n", "wrong": wrong, "empty": " \n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var told strings.Builder
	play := func(file string) (*result, error) {
		opts, err := parse([]string{"-url", exchange.URL(), "-client-id", key.ClientID, "-secret-file", filepath.Join(dir, file), "-for", "1s"})
		if err != nil {
			t.Fatal(err)
		}
		return run(t.Context(), opts, newProgress(&told))
	}
	if r, err := play("right"); err != nil || !r.Whole || r.Cuts != 0 || len(r.Channels) != 6 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := play("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := play("empty"); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("an empty file: %v", err)
	}
	_, err = play("wrong")
	if _, refused := errors.AsType[*session.AuthError](err); !refused || strings.Contains(err.Error(), wrong) {
		t.Errorf("a wrong secret: %v", err)
	}
	if strings.Contains(told.String(), wrong) || strings.Contains(told.String(), key.Secret) {
		t.Errorf("a secret is in what was told: %s", told.String())
	}
}
