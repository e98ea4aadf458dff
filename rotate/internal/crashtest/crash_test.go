package crashtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

var (
	wanted = flag.Int("cases", 40, "how many processes are killed; 0 is all; from 1000 on every point must be reached")
	seed   = flag.Uint64("seed", 1, "chooses which")
	atOnce = flag.Int("at-once", 40, "cases at a time, which wait most of the time")
)

// scenario is a case.
type scenario struct {
	point   point
	boot    int
	profile deribittest.ResetProfile
	rescue  bool // the authority is a token of the key itself, not another key
}

func (s scenario) String() string {
	authority := "admin"
	if s.rescue {
		authority = "rescue"
	}
	return fmt.Sprintf("%s / %s / %s / %s", s.point, boots[s.boot].name, s.profile, authority)
}

// scenarios are all cases, in an order that comes by every point soon. A rescue token is for an exchange that keeps tokens, and that
// answers the one who resets their own key.
func scenarios(rng *rand.Rand) []scenario {
	byPoint := make([][]scenario, 0, len(points()))
	most := 0
	for _, p := range points() {
		var here []scenario
		for b := range boots {
			for profile := range deribittest.ResetProfiles() {
				if !p.isOfRescue() {
					here = append(here, scenario{p, b, profile, false})
				}
				if !profile.TokensRevoked && profile.Connections != deribittest.ConnectionsClosedBeforeReply {
					here = append(here, scenario{p, b, profile, true})
				}
			}
		}
		rng.Shuffle(len(here), func(i, j int) { here[i], here[j] = here[j], here[i] })
		byPoint = append(byPoint, here)
		most = max(most, len(here))
	}
	rng.Shuffle(len(byPoint), func(i, j int) { byPoint[i], byPoint[j] = byPoint[j], byPoint[i] })
	var all []scenario
	for i := range most {
		for _, here := range byPoint {
			if i < len(here) {
				all = append(all, here[i])
			}
		}
	}
	return all
}

// TestKill9 kills processes that recover and rotate, and has others take over: at the end the exchange, the store and the sessions
// have one secret, and the key can be rotated.
func TestKill9(t *testing.T) {
	all := scenarios(rand.New(rand.NewPCG(*seed, 0)))
	if *wanted <= 0 {
		*wanted = len(all)
	}
	began := time.Now()
	totals := newTally()
	for len(all) > 0 && totals.killed() < *wanted { // those who live, for they do not come by their point, are not counted
		n := min(*wanted-totals.killed(), len(all))
		totals.runAll(t, all[:n])
		all = all[n:]
	}
	totals.print(t, time.Since(began))
	totals.judge(t, *wanted, len(all))
}

// runAll runs cases, some at a time.
func (c *tally) runAll(t *testing.T, all []scenario) {
	t.Helper()
	queue := make(chan scenario)
	var workers sync.WaitGroup
	for range min(*atOnce, len(all)) {
		workers.Go(func() {
			for s := range queue {
				c.add(s, run(t, s))
			}
		})
	}
	for _, s := range all {
		queue <- s
	}
	close(queue)
	workers.Wait()
}

// end is how a case ended.
type end int

const (
	failed end = iota
	notReached
	lockedOut
	recovered
)

// world is an exchange and a directory, which outlive processes.
type world struct {
	t          *testing.T
	scenario   scenario
	server     *deribittest.Server
	key, admin deribittest.Key
	first      session.Secret
	rescue     session.Secret // of the boot state; empty with an admin key
	store      *filestore.Store
	job        job
	said       bytes.Buffer // by the processes
}

func (w *world) errorf(format string, args ...any) end {
	w.t.Errorf("%s: %s\n%s", w.scenario, fmt.Sprintf(format, args...), w.said.String())
	return failed
}

// run runs a case.
func run(t *testing.T, s scenario) end {
	t.Helper()
	server, err := deribittest.New(deribittest.Config{Tick: -1, Reset: s.profile})
	if err != nil {
		t.Error(err)
		return failed
	}
	w := &world{t: t, scenario: s, server: server}
	defer func() {
		if err := server.Close(); err != nil {
			w.errorf("%v", err)
		}
	}()
	w.key = server.AddKey(deribittest.KeyConfig{Name: "trader"})
	w.admin = server.AddKey(deribittest.KeyConfig{Name: "admin"})
	w.first = session.NewSecret([]byte(w.key.Secret))
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		return w.errorf("%v", err)
	}
	w.job = job{URL: server.URL(), Dir: dir, Kill: &s.point}
	if !s.rescue {
		w.job.AdminClientID, w.job.AdminSecret = w.admin.ClientID, w.admin.Secret
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := w.prepare(ctx, boots[s.boot]); err != nil {
		return w.errorf("boot: %v", err)
	}
	stop := w.poll(ctx)
	result := w.lives(ctx)
	stop()
	w.keepsSecrets()
	return result
}

// lives has one process die, and another recover.
func (w *world) lives(ctx context.Context) end {
	result := recovered
	if _, err := w.process(ctx); err == nil {
		result = notReached
	} else if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Exited() {
		return w.errorf("the process was not killed: %v", err)
	}
	if err := w.quiet(ctx); err != nil {
		return w.errorf("connections of the dead: %v", err)
	}
	known, err := w.known(ctx)
	if err != nil {
		return w.errorf("after the crash: %v", err)
	}
	if !known && result == recovered && w.scenario.point.isPastStore() {
		return w.errorf("the exchange's secret is in no store")
	}
	w.job.Kill = nil
	did, err := w.successor(ctx)
	if did.LockedOut && !known && w.mayBeLost(ctx) {
		return lockedOut
	}
	if err != nil {
		return w.errorf("recovery: %v", err)
	}
	if known && did.Resets > 0 {
		return w.errorf("%d resets, although the secret was stored", did.Resets)
	}
	if err := w.agree(ctx); err != nil {
		return w.errorf("%v", err)
	}
	return result
}

// mayBeLost is the weakness of the rescue token that its documentation tells of: a crash while it is exchanged for the next one costs
// it. Then nothing that the store has is worth anything.
func (w *world) mayBeLost(ctx context.Context) bool {
	if !w.scenario.rescue {
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

// known reports whether a store has the secret that the exchange takes.
func (w *world) known(ctx context.Context) (bool, error) {
	record, err := w.store.Load(ctx)
	if err != nil {
		return false, err
	}
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
	now := w.candidate(time.Time{}).Secret
	return slices.ContainsFunc(all, func(c rotate.Candidate) bool { return c.Secret.Equal(now) }), nil
}

// agree fails unless the store has what the exchange takes, and nothing is left to do.
func (w *world) agree(ctx context.Context) error {
	record, err := w.store.Load(ctx)
	switch {
	case err != nil:
		return err
	case !record.Current.Secret.Equal(w.candidate(time.Time{}).Secret):
		return errors.New("the store has another secret than the exchange")
	case record.Intent != nil:
		return fmt.Errorf("an intent is left: %s", record.Intent.ID)
	case record.Lease == nil || record.Lease.Owner != "":
		return errors.New("the lease is not free")
	}
	return nil
}

// poll reads the store all the time, until stop is called: it is whole at every moment.
func (w *world) poll(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var poller sync.WaitGroup
	poller.Go(func() {
		reader, err := filestore.Open(w.job.storePath())
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
	said := w.said.Bytes()
	if len(said) == 0 {
		w.t.Errorf("%s: the processes have said nothing", w.scenario)
	}
	for _, secret := range w.server.Secrets() {
		if bytes.Contains(said, []byte(secret)) {
			w.t.Errorf("%s: a process has said a secret", w.scenario)
		}
	}
}
