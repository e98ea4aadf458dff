package crashtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// world is an exchange and a directory, which outlive processes.
type world struct {
	t          *testing.T
	scenario   scenario
	server     *deribittest.Server
	key, admin deribittest.Key
	first      session.Secret
	next       pair           // of the boot state's new key, empty unless that is asymmetric
	rescue     session.Secret // of the boot state; empty with an admin key
	store      *filestore.Store
	job        job
	said       bytes.Buffer // by the processes

	mu      sync.Mutex       // protects the field below
	private []session.Secret // halves, which the exchange does not have
}

func (w *world) errorf(format string, args ...any) end {
	w.t.Errorf("%s: %s\n%s", w.scenario, fmt.Sprintf(format, args...), w.said.String())
	return failed
}

// open makes the exchange with the account's two keys, and an empty store.
func (w *world) open() (err error) {
	s := w.scenario
	w.job = job{Dir: w.t.TempDir(), Strategy: s.config(), Kill: &s.point}
	if err := os.Chmod(w.job.Dir, 0o700); err != nil {
		return err
	}
	if w.store, err = filestore.Open(w.job.storePath()); err != nil {
		return err
	}
	now, err := s.newPair()
	if err != nil {
		return err
	}
	if w.next, err = s.newPair(); err != nil {
		return err
	}
	w.private = []session.Secret{now.private, w.next.private}
	if w.server, err = deribittest.New(deribittest.Config{Tick: -1, Reset: s.profile, OnFrame: w.frame}); err != nil {
		return err
	}
	w.job.URL = w.server.URL()
	w.key = w.server.AddKey(deribittest.KeyConfig{Name: "trader", PublicKey: now.public})
	if w.first = now.private; w.first.IsZero() {
		w.first = session.NewSecret([]byte(w.key.Secret))
	}
	w.admin = w.server.AddKey(deribittest.KeyConfig{Name: "admin"})
	if !s.itself {
		w.job.AdminClientID, w.job.AdminSecret = w.admin.ClientID, w.admin.Secret
	}
	return nil
}

// frame sees that no key is asked for that is not in the store, an asymmetric one with its private half.
func (w *world) frame(f deribittest.Frame) {
	if f.Method != createMethod || !f.Incoming {
		return
	}
	record, err := w.store.Load(w.t.Context())
	if err != nil || record.Replacement == nil || record.Replacement.Secret.IsZero() != w.next.private.IsZero() {
		w.t.Errorf("%s: a key is asked for that is not stored: %v", w.scenario, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.private = append(w.private, record.Replacement.Secret)
}

// mayBeLost is the weakness of the rescue token that its documentation tells of: a crash while it is exchanged for the next one costs
// it. Then nothing that the store has is worth anything.
func (w *world) mayBeLost(ctx context.Context) bool {
	if !w.scenario.itself {
		return false
	}
	record, err := w.store.Load(ctx)
	if err != nil || record.Intent == nil {
		return false
	}
	s, _, err := session.Redeem(ctx, session.Config{URL: w.server.URL()}, record.Intent.Rescue)
	if err == nil {
		w.errorf("the rescue token lives: %v", s.Close(ctx))
		return false
	}
	_, dead := errors.AsType[*session.AuthError](err)
	return dead
}

// process is a process of its own, which has the secrets by its standard input.
func (w *world) process(ctx context.Context) (did outcome, err error) {
	in, err := json.Marshal(w.job)
	if err != nil {
		return did, err
	}
	var out bytes.Buffer
	command := exec.CommandContext(ctx, os.Args[0])
	command.Env = append(os.Environ(), childVariable+"=1")
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(in), &out, &w.said
	err = command.Run()
	w.said.Write(out.Bytes())
	if out.Len() > 0 {
		err = errors.Join(err, json.Unmarshal(out.Bytes(), &did))
	}
	return did, err
}

// successor is a process or, which is as good and cheaper, this one.
func (w *world) successor(ctx context.Context) (outcome, error) {
	if len(w.scenario.String())%2 == 0 {
		return w.process(ctx)
	}
	return live(ctx, w.job, &w.said)
}

// quiet waits until the exchange has done all that the dead has sent.
func (w *world) quiet(ctx context.Context) error {
	for w.server.Stats().OpenConnections > 0 {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// age has so much time go by that the lease of the dead is about to end, and the creation of a key has been executed or never will be.
func (w *world) age(ctx context.Context, left rotate.Record) error {
	isAsked, isHeld := left.Replacement != nil && left.Replacement.KeyID == 0, left.Lease != nil && left.Lease.Owner != ""
	if !isAsked && !isHeld {
		return nil
	}
	left = left.Clone()
	if isAsked {
		left.Replacement.Sent = left.Replacement.Sent.Add(-longAgo)
	}
	if soon := time.Now().Add(leaseLeft); isHeld && left.Lease.Expires.After(soon) {
		left.Lease.Expires = soon
	}
	_, err := w.store.Save(ctx, left, left.Version)
	return err
}

// longAgo is how long after it was sent no creation is executed any more.
const longAgo = 10 * time.Minute

// known reports whether the exchange takes a secret that a store has for the current key.
func (w *world) known(ctx context.Context, record rotate.Record) (bool, error) {
	all := append(slices.Clone(record.Candidates), record.Current)
	spare, err := filestore.Open(w.job.sparePath())
	if err != nil {
		return false, err
	}
	if kept, err := spare.Load(ctx); err == nil {
		all = append(all, kept.Current)
	} else if !errors.Is(err, rotate.ErrNotFound) {
		return false, err
	}
	for _, c := range all {
		if taken, err := w.takes(ctx, record.ClientID, c.Secret); taken || err != nil {
			return taken, err
		}
	}
	return false, nil
}

// takes reports whether the exchange does.
func (w *world) takes(ctx context.Context, clientID string, secret session.Secret) (bool, error) {
	creds := session.Credentials{ClientID: clientID, Secret: secret}
	err := session.TryCredentials(ctx, session.Config{URL: w.server.URL()}, creds)
	if _, refused := errors.AsType[*session.AuthError](err); refused {
		return false, nil
	}
	return err == nil, err
}

// agree fails unless the store has what the exchange takes and what was left is no more, and nothing is left to do.
func (w *world) agree(ctx context.Context, left rotate.Record) error {
	record, err := w.store.Load(ctx)
	switch {
	case err != nil:
		return err
	case record.Current.Secret.Equal(left.Current.Secret):
		return errors.New("the store has the same secret as after the crash")
	case record.Intent != nil:
		return fmt.Errorf("an intent is left: %s", record.Intent.ID)
	case record.Replacement != nil:
		return fmt.Errorf("a key is left: %d, %s", record.Replacement.KeyID, record.Replacement.Name)
	case record.Lease == nil || record.Lease.Owner != "":
		return errors.New("the lease is not free")
	}
	taken, err := w.takes(ctx, record.ClientID, record.Current.Secret)
	if err == nil && !taken {
		err = errors.New("the exchange does not take the store's secret")
	}
	return errors.Join(err, w.alone(ctx, record))
}

// alone fails unless the account has the store's key and the second one, and no other.
func (w *world) alone(ctx context.Context, record rotate.Record) error {
	var keys []struct {
		ID       int64  `json:"id"`
		ClientID string `json:"client_id"`
		Enabled  bool   `json:"enabled"`
	}
	if err := w.manage(ctx, listMethod, nil, &keys); err != nil {
		return err
	}
	for _, key := range keys {
		ours := key.ID == record.KeyID && key.ClientID == record.ClientID && key.Enabled
		if !ours && key.ID != w.admin.ID || len(keys) != 2 {
			return fmt.Errorf("the store has key %d (%s), the account %+v", record.KeyID, record.ClientID, keys)
		}
	}
	return nil
}

// poll reads the store all the time, until stop is called: it is whole at every moment.
func (w *world) poll(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var poller sync.WaitGroup
	path := w.job.storePath() // the next process has another job
	poller.Go(func() {
		reader, err := filestore.Open(path)
		if err != nil {
			w.t.Errorf("%s: %v", w.scenario, err)
			return
		}
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			if _, err := reader.Load(ctx); err != nil && ctx.Err() == nil {
				w.t.Errorf("%s: the store cannot be read: %v", w.scenario, err)
				return
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		poller.Wait()
	}
}

// keepsSecrets fails the test if a process has said one.
func (w *world) keepsSecrets() {
	said := w.said.String()
	if said == "" {
		w.t.Errorf("%s: the processes have said nothing", w.scenario)
	}
	for _, secret := range w.secrets() {
		if strings.Contains(said, secret) {
			w.t.Errorf("%s: a process has said a secret", w.scenario)
		}
	}
}

// secrets are all of this world. Of the one line of an Ed25519 key the first 24 digits say that it is one.
func (w *world) secrets() []string {
	all := w.server.Secrets()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, private := range w.private {
		if !private.IsZero() {
			all = append(all, strings.Split(string(private.Reveal()), "\n")[1][24:])
		}
	}
	return all
}
