package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// commandVariable has the test binary be the command.
const commandVariable = "HOLDFAST_TEST_COMMAND"

// tripwire does something once, before the exchange handles or writes the nth frame of a kind.
type tripwire struct {
	mu   sync.Mutex // protects what follows
	is   func(deribittest.Frame) bool
	nth  int
	then func()
}

func (w *tripwire) frame(f deribittest.Frame) {
	w.mu.Lock()
	var then func()
	if w.then != nil && w.is(f) {
		if w.nth--; w.nth == 0 {
			then, w.then = w.then, nil
		}
	}
	w.mu.Unlock()
	if then != nil {
		then()
	}
}

func (w *tripwire) set(is func(deribittest.Frame) bool, nth int, then func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.is, w.nth, w.then = is, nth, then
}

// asked is a request.
func asked(method string) func(deribittest.Frame) bool {
	return func(f deribittest.Frame) bool { return f.Incoming && f.Method == method }
}

// loginOfAnother is an authentication with another client id than one.
func loginOfAnother(clientID string) func(deribittest.Frame) bool {
	return func(f deribittest.Frame) bool {
		var request struct {
			Params struct {
				ClientID string `json:"client_id"`
			} `json:"params"`
		}
		return f.Incoming && f.Method == "public/auth" && json.Unmarshal(f.Data, &request) == nil &&
			request.Params.ClientID != "" && request.Params.ClientID != clientID
	}
}

// killed runs the command in a process of its own, which is killed while the exchange holds a frame in its hands.
func (d *desk) killed(t *testing.T, wire *tripwire, is func(deribittest.Frame) bool, nth int) {
	t.Helper()
	var said bytes.Buffer
	child := exec.CommandContext(t.Context(), os.Args[0], d.args...)
	child.Env = append(os.Environ(), commandVariable+"=1")
	child.Stdout, child.Stderr = &said, &said
	started, dead := make(chan struct{}), make(chan struct{})
	wire.set(is, nth, func() {
		<-started
		if err := child.Process.Kill(); err != nil {
			t.Error(err)
		}
		<-dead
	})
	d.remember(t)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	err := child.Wait()
	close(dead)
	if err == nil || child.ProcessState.ExitCode() >= 0 {
		t.Fatalf("the command was not killed: %v\n%s", err, said.String())
	}
	for tick := time.NewTicker(time.Millisecond); d.server.Stats().OpenConnections > 0; <-tick.C { // it still does what it was asked
	}
	d.remember(t)
	d.assertQuiet(t, said.String())
}

// age has ten minutes go by: the lease of who is dead ends, and what has been sent has been executed or never will be.
func (d *desk) age(t *testing.T) (left rotate.Record) {
	t.Helper()
	store, err := filestore.Open(d.path + ".journal")
	if err != nil {
		t.Fatal(err)
	}
	record, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	record.Lease.Expires = record.Lease.Expires.Add(-10 * time.Minute)
	if record.Replacement != nil {
		record.Replacement.Sent = record.Replacement.Sent.Add(-10 * time.Minute)
		if secret := record.Replacement.Secret; !secret.IsZero() {
			d.secrets = append(d.secrets, string(secret.Reveal()))
		}
	}
	if _, err := store.Save(t.Context(), record, record.Version); err != nil {
		t.Fatal(err)
	}
	return record
}

// crash is a point at which the command is killed.
type crash struct {
	name   string
	is     func(d *desk) func(deribittest.Frame) bool
	nth    int
	idle   bool // the journal does not say yet that it is under way
	lost   bool // the exchange never sees the request that asks for the key
	unfile bool // the file was not written
	keys   int  // that the account has when the command is dead
	anew   bool // another key is created afterwards
}

// TestReplaceKilled kills the command at each point, and types it again: in the end the file has the one key of the account.
func TestReplaceKilled(t *testing.T) {
	t.Parallel()
	for _, c := range []crash{
		{name: "before the key is asked for", is: always(asked("private/list_api_keys")), nth: 1, idle: true, keys: 1, anew: true},
		{name: "before the key is created", is: always(asked("private/create_api_key")), nth: 1, lost: true, keys: 1, anew: true},
		{name: "before the answer", is: always(asked("private/create_api_key")), nth: 1, keys: 2, anew: true},
		{name: "before the new key is tried", is: (*desk).newLogin, nth: 1, keys: 2},
		{name: "before the sessions have it", is: (*desk).newLogin, nth: 2, keys: 2},
		{name: "before the file is written", is: (*desk).newLogin, nth: 2, unfile: true, keys: 2},
		{name: "before it is known that the old one is gone", is: always(asked("private/remove_api_key")), nth: 1, keys: 1},
	} {
		for _, kind := range []string{"secret", "ed25519"} {
			t.Run(c.name+", "+kind, func(t *testing.T) {
				t.Parallel()
				c.befall(t, kind)
			})
		}
	}
}

func always(is func(deribittest.Frame) bool) func(*desk) func(deribittest.Frame) bool {
	return func(*desk) func(deribittest.Frame) bool { return is }
}

func (d *desk) newLogin() func(deribittest.Frame) bool { return loginOfAnother(d.key.ClientID) }

func (c crash) befall(t *testing.T, kind string) {
	t.Helper()
	var wire tripwire
	d := newDesk(t, deribittest.Config{OnFrame: wire.frame}, deribittest.KeyConfig{}, kind)
	before := d.text(t)
	if c.lost {
		d.server.Inject(deribittest.Fault{Kind: deribittest.LoseRequest, Method: "private/create_api_key"})
	}
	d.killed(t, &wire, c.is(d), c.nth)
	if left := d.age(t); c.idle != (left.Replacement == nil) {
		t.Fatalf("the journal has %+v", left.Replacement)
	}
	if c.unfile {
		if d.text(t) == before {
			t.Error("the sessions took the key before the file was written")
		}
		if err := writeSecretFile(d.path, []byte(before)); err != nil {
			t.Fatal(err)
		}
	}
	// Whoever reads the file meanwhile has a key that works.
	if ids := d.clientIDs(t, d.credentials(t)); len(ids) != c.keys {
		t.Fatalf("the account has keys %v", ids)
	}
	if !c.idle {
		d.previewUnfinished(t)
	}
	created := d.created()
	code, out, errOut := d.run(t)
	if code != 0 || c.idle == strings.Contains(errOut, "Going on with the replacement that began at ") ||
		c.anew == strings.Contains(errOut, "That one is finished.") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	if (d.created() > created) != c.anew {
		t.Errorf("a key was asked for %d times, and then %d times", created, d.created())
	}
	if now := d.alone(t); now.ClientID == d.key.ClientID || !strings.Contains(out, "The client id is now "+now.ClientID) {
		t.Errorf("the file has %s\n%s", now.ClientID, out)
	}
}

// previewUnfinished sees that a dry run does not go on with what is unfinished.
func (d *desk) previewUnfinished(t *testing.T) {
	t.Helper()
	before := d.text(t)
	code, out, errOut := d.run(t, "-dry-run")
	if code != 1 || !strings.Contains(errOut, "run the command without -dry-run") || d.text(t) != before {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
}
