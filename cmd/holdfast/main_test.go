package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/session"
)

func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		main()
	}
	leaktest.Main(m)
}

// invoke runs a command line and returns what it printed.
func invoke(t *testing.T, stdin string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), streams{strings.NewReader(stdin), &stdout, &stderr}, args)
	return code, stdout.String(), stderr.String()
}

// exchange is a simulated exchange with a key whose secret is in a file.
func exchange(t *testing.T, cfg deribittest.Config, key deribittest.KeyConfig) (*deribittest.Server, deribittest.Key, string) {
	t.Helper()
	server := exchangetest.New(t, cfg)
	k := server.AddKey(key)
	path := filepath.Join(privateDir(t), "secret")
	if err := os.WriteFile(path, []byte(k.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return server, k, path
}

// privateDir is a directory that nobody else can write to, whatever the umask.
func privateDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// accepts reports whether the exchange takes what is in a secret file.
func accepts(t *testing.T, server *deribittest.Server, clientID, path string) bool {
	t.Helper()
	secret, err := readSecretFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = session.TryCredentials(t.Context(), session.Config{URL: server.URL()}, session.Credentials{ClientID: clientID, Secret: secret})
	if refused, ok := errors.AsType[*session.AuthError](err); !ok && err != nil {
		t.Fatal(err, refused)
	}
	return err == nil
}

func TestSimServesUntilInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	reader, writer := io.Pipe()
	var stderr bytes.Buffer
	exited := make(chan int, 1)
	go func() {
		exited <- run(ctx, streams{strings.NewReader(""), writer, &stderr}, []string{"sim", "-addr", "127.0.0.1:0", "-json"})
		writer.Close()
	}()
	var told simulated
	if err := json.NewDecoder(reader).Decode(&told); err != nil {
		t.Fatal(err)
	}
	secret, err := readSecretFile(told.SecretFile)
	if err != nil {
		t.Fatal(err)
	}
	creds := session.Credentials{ClientID: told.ClientID, Secret: secret}
	if err := session.TryCredentials(t.Context(), session.Config{URL: told.WS}, creds); err != nil {
		t.Errorf("the key that sim told of: %v", err)
	}
	if told.KeyID == 0 || !strings.HasPrefix(told.REST, "http://127.0.0.1:") {
		t.Errorf("told %+v", told)
	}
	interrupt()
	if code := <-exited; code != 0 || stderr.Len() > 0 {
		t.Errorf("exit code %d, standard error %q", code, stderr.String())
	}
	if _, err := os.Stat(told.SecretFile); !os.IsNotExist(err) {
		t.Errorf("the secret's file is still there: %v", err)
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	for behaviour := range deribittest.ResetProfiles() {
		t.Run(behaviour.String(), func(t *testing.T) {
			t.Parallel()
			server, key, path := exchange(t, deribittest.Config{Reset: behaviour}, deribittest.KeyConfig{})
			args := []string{"rotate", "-accept-lockout", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path, "-v"}
			if behaviour.Connections == deribittest.ConnectionsClosedBeforeReply { // only another key gets the reply
				args = append(args, withAdmin(t, server)...)
			}
			for range 2 { // the second goes on from the first one's journal
				before, err := readSecretFile(path)
				if err != nil {
					t.Fatal(err)
				}
				code, out, errOut := invoke(t, "", args...)
				if code != 0 {
					t.Fatalf("exit code %d\n%s%s", code, out, errOut)
				}
				after, err := readSecretFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if after.Equal(before) || !accepts(t, server, key.ClientID, path) {
					t.Error("the file does not hold a new secret that the exchange accepts")
				}
				assertNoSecret(t, server, out+errOut)
			}
		})
	}
}

func assertNoSecret(t *testing.T, server *deribittest.Server, text string) {
	t.Helper()
	for _, secret := range server.Secrets() {
		if strings.Contains(text, secret) {
			t.Errorf("a secret was printed: %d bytes long", len(secret))
		}
	}
}

// TestRotateAsksForTheSecondFactor, in the two forms that the exchange documents.
func TestRotateAsksForTheSecondFactor(t *testing.T) {
	t.Parallel()
	for _, asError := range []bool{false, true} {
		server, key, path := exchange(t, deribittest.Config{SecondFactorError: asError}, deribittest.KeyConfig{SecondFactor: true})
		code := server.SecondFactorCode(key.ID)
		exit, out, errOut := invoke(t, code+"\n", "rotate", "-accept-lockout", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path,
			"-key-id", "1")
		if exit != 0 || !strings.Contains(errOut, "code:") {
			t.Fatalf("as error %v: exit code %d\n%s%s", asError, exit, out, errOut)
		}
		if !accepts(t, server, key.ClientID, path) {
			t.Errorf("as error %v: the file does not hold the new secret", asError)
		}
	}
}

// TestSecondFactorFromTheShell rotates against a sim whose codes a person would read off its terminal.
func TestSecondFactorFromTheShell(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, told := io.Pipe()
	device, shown := io.Pipe()
	exited := make(chan int, 1)
	go func() {
		exited <- run(ctx, streams{strings.NewReader(""), told, shown}, []string{"sim", "-json", "-second-factor"})
	}()
	var sim simulated
	if err := json.NewDecoder(out).Decode(&sim); err != nil {
		t.Fatal(err)
	}
	var code string
	if _, err := fmt.Fscanf(device, "second factor: %s\n", &code); err != nil {
		t.Fatal(err)
	}
	exit, _, errOut := invoke(t, code+"\n", "rotate", "-accept-lockout", "-url", sim.WS, "-client-id", sim.ClientID, "-secret-file", sim.SecretFile,
		"-key-id", strconv.FormatInt(sim.KeyID, 10))
	if exit != 0 {
		t.Errorf("exit code %d\n%s", exit, errOut)
	}
	interrupt()
	if code := <-exited; code != 0 {
		t.Errorf("sim: exit code %d", code)
	}
}

// TestSimWithChaos connects to a sim until faults have befallen the connection, and is told of them: they follow from the seed.
func TestSimWithChaos(t *testing.T) {
	t.Parallel()
	var told [3][]string
	var running sync.WaitGroup
	for i, seed := range []string{"14", "14", "15"} {
		running.Go(func() { told[i] = faultsOfSim(t, seed, 2) })
	}
	running.Wait()
	if !regexp.MustCompile(`^fault: skew-clock by 1[89]\.\d+s$`).MatchString(told[0][0]) {
		t.Errorf("told %q", told[0])
	}
	if !slices.Equal(told[0], told[1]) {
		t.Errorf("one seed, two schedules: %q and %q", told[0], told[1])
	}
	if slices.Equal(told[0], told[2]) {
		t.Errorf("two seeds, one schedule: %q", told[0])
	}
}

// faultsOfSim are the first n lines that a sim tells of faults, while one connection is open that never asks for anything.
func faultsOfSim(t *testing.T, seed string, n int) []string {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, told := io.Pipe()
	faults, stderr := io.Pipe()
	exited := make(chan int, 1)
	go func() {
		exited <- run(ctx, streams{strings.NewReader(""), told, stderr}, []string{"sim", "-json", "-chaos", seed})
		stderr.Close()
	}()
	lines := make([]string, n)
	var sim simulated
	if err := json.NewDecoder(out).Decode(&sim); err != nil {
		t.Error(err)
		return lines
	}
	s, err := session.Dial(t.Context(), session.Config{URL: sim.WS})
	if err != nil {
		t.Error(err)
		return lines
	}
	defer s.Close(t.Context())
	scanner := bufio.NewScanner(faults)
	for i := range lines {
		if !scanner.Scan() {
			t.Errorf("told %q, then %v", lines, scanner.Err())
		}
		lines[i] = scanner.Text()
	}
	interrupt()
	for scanner.Scan() { // what else happened meanwhile
	}
	if code := <-exited; code != 0 {
		t.Errorf("exit code %d", code)
	}
	return lines
}

// TestInterruptAtThePrompt: who is asked for a code may interrupt, and the key is as before.
func TestInterruptAtThePrompt(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{SecondFactor: true})
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	stdin, typed := io.Pipe()
	defer typed.Close()
	prompt, stderr := io.Pipe()
	exited := make(chan int, 1)
	go func() {
		exited <- run(ctx, streams{stdin, io.Discard, stderr}, []string{
			"rotate", "-accept-lockout", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path, "-key-id", "1",
		})
		stderr.Close()
	}()
	if _, err := prompt.Read(make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
	interrupt()
	said, err := io.ReadAll(prompt)
	if err != nil {
		t.Fatal(err)
	}
	if code := <-exited; code != 1 || !strings.Contains(string(said), "interrupted") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if !accepts(t, server, key.ClientID, path) {
		t.Error("the key is not as before")
	}
}

func TestRotateWithASecondKey(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	args := append([]string{"rotate", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path}, withAdmin(t, server)...)
	exit, out, errOut := invoke(t, "", args...)
	if exit != 0 || !accepts(t, server, key.ClientID, path) || !accepts(t, server, args[len(args)-3], args[len(args)-1]) {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
}

// withAdmin adds a second key, and returns the flags that name it and the file that holds its secret.
func withAdmin(t *testing.T, server *deribittest.Server) []string {
	t.Helper()
	admin := server.AddKey(deribittest.KeyConfig{Name: "admin"})
	path := filepath.Join(privateDir(t), "admin")
	if err := writeSecretFile(path, []byte(admin.Secret)); err != nil {
		t.Fatal(err)
	}
	return []string{"-admin-client-id", admin.ClientID, "-admin-secret-file", path}
}

// TestRotateFollowsWhatAPersonDid: the secret file was replaced after a reset on the web site.
func TestRotateFollowsWhatAPersonDid(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	args := []string{"rotate", "-accept-lockout", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path}
	if exit, out, errOut := invoke(t, "", args...); exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
	// Elsewhere the key is rotated with another journal; the first journal knows nothing of it.
	elsewhere := append(args, "-journal", filepath.Join(privateDir(t), "journal"))
	if exit, out, errOut := invoke(t, "", elsewhere...); exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
	exit, out, errOut := invoke(t, "", args...)
	if exit != 0 || !accepts(t, server, key.ClientID, path) {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	file := func(content string, mode os.FileMode) string {
		name := filepath.Join(privateDir(t), "secret")
		if err := os.WriteFile(name, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	truncated := file("cut short", 0o600)
	if err := os.WriteFile(truncated+".journal", []byte("{\"versi"), 0o600); err != nil {
		t.Fatal(err)
	}
	const canary = "CANARY-secret"
	if code, out, errOut := invoke(t, "", "-h"); code != 0 || !strings.HasPrefix(out, "usage: holdfast COMMAND") || errOut != "" {
		t.Errorf("-h: exit code %d\n%s%s", code, out, errOut)
	}
	rotate := func(args ...string) []string { return append([]string{"rotate", "-url", server.URL()}, args...) }
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no command":              {nil, 2, "usage: holdfast COMMAND"},
		"an unknown command":      {[]string{canary}, 2, "there is no such command\nusage: holdfast COMMAND"},
		"an unknown flag":         {[]string{"sim", "-port", "1"}, 2, "-port"},
		"a seed that is none":     {[]string{"sim", "-chaos", "monday"}, 2, "-chaos"},
		"an argument":             {rotate("-client-id", "x", "-secret-file", path, canary), 2, "unexpected argument"},
		"no secret file":          {rotate("-client-id", "x"), 2, "-secret-file"},
		"half a second key":       {rotate("-client-id", "x", "-secret-file", path, "-admin-client-id", "y"), 2, "go together"},
		"a strategy that is none": {rotate("-strategy", "swap", "-credentials-file", path), 2, "-strategy: it is reset or replace"},
		"replace without a file": {
			rotate("-strategy", "replace", "-client-id", "x", "-secret-file", path), 2,
			"(umask 077; { echo x; cat " + path + "; } >" + path + ".credentials)",
		},
		"replace of a number":     {rotate("-strategy", "replace", "-credentials-file", path, "-key-id", "1"), 2, "-key-id is of no use"},
		"two files":               {rotate("-secret-file", path, "-credentials-file", path), 2, "leave these out"},
		"no overlap":              {rotate("-credentials-file", path, "-overlap", "0"), 2, "-overlap must be positive"},
		"a secret without its id": {rotate("-credentials-file", path), 1, "client id on its first line"},
		"an address in use":       {[]string{"sim", "-addr", strings.TrimSuffix(strings.TrimPrefix(server.URL(), "ws://"), "/ws/api/v2")}, 1, "in use"},
		"a file that is not":      {rotate("-client-id", "x", "-secret-file", path+"-"), 1, "no such file"},
		"a file that others read": {rotate("-client-id", "x", "-secret-file", file(canary, 0o644)), 1, "chmod 600"},
		"an empty file":           {rotate("-client-id", "x", "-secret-file", file("\n", 0o600)), 1, "is empty"},
		"a long file":             {rotate("-client-id", "x", "-secret-file", file(strings.Repeat(canary, 1000), 0o600)), 1, "bytes long"},
		"a directory":             {rotate("-client-id", "x", "-secret-file", t.TempDir()), 1, "not a regular file"},
		"a wrong secret":          {rotate("-client-id", key.ClientID, "-secret-file", file(canary, 0o600)), 1, "invalid_credentials"},
		"a wrong client id":       {rotate("-client-id", "nobody", "-secret-file", file(canary, 0o600)), 1, "nobody"},
		"a truncated journal":     {rotate("-client-id", key.ClientID, "-secret-file", truncated), 1, "journal"},
		"a wrong URL":             {[]string{"rotate", "-url", "http://127.0.0.1/", "-client-id", "x", "-secret-file", file(canary, 0o600)}, 1, "wss"},
		"a URL nobody serves":     {[]string{"rotate", "-url", "ws://127.0.0.1:1/ws/api/v2", "-client-id", "x", "-secret-file", file(canary, 0o600)}, 1, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			started := time.Now()
			code, out, errOut := invoke(t, "", c.args...)
			if code != c.code || !strings.Contains(errOut, c.says) {
				t.Errorf("exit code %d, not %d, and standard error should say %q:\n%s", code, c.code, c.says, errOut)
			}
			if strings.Contains(out+errOut, canary) {
				t.Error("the secret was printed")
			}
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
