package crashtest_test

import (
	"context"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// boot is what a process finds that another has left behind.
type boot struct {
	name  string
	reset bool // the exchange has executed a reset
	leave func(w *world, now time.Time, record *rotate.Record) (spare *rotate.Record)
}

var boots = []boot{
	{"clean", false, func(*world, time.Time, *rotate.Record) *rotate.Record { return nil }},
	{"an intent", false, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Intent = w.intent(now, time.Time{})
		return nil
	}},
	{"a stamped intent", false, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Intent = w.intent(now, now)
		return nil
	}},
	{"a candidate", true, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Intent, r.Candidates = w.intent(now, time.Time{}), []rotate.Candidate{w.candidate(now)}
		return nil
	}},
	{"the current secret is dead", true, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Intent = w.intent(now, now)
		return nil
	}},
	{"promoted", true, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Current, r.Intent = w.candidate(now), w.intent(now, now)
		r.Intent.Settling = true
		return nil
	}},
	{"a lease", false, func(_ *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Lease = &rotate.Lease{Owner: "the dead", Epoch: 7, Expires: now.Add(leaseTTL)}
		return nil
	}},
	{"unsaved", true, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Intent = w.intent(now, now)
		return &rotate.Record{KeyID: w.key.ID, ClientID: w.key.ClientID, Current: w.candidate(now)}
	}},
}

func (w *world) intent(started, sent time.Time) *rotate.Intent {
	return &rotate.Intent{
		ID: "by-the-dead", Epoch: 1, Started: started, OldFingerprint: w.first.Fingerprint(), Sent: sent, Rescue: w.rescue,
	}
}

// candidate is the secret that the exchange has now.
func (w *world) candidate(now time.Time) rotate.Candidate {
	key, _ := w.server.Key(w.key.ID)
	return rotate.Candidate{Secret: session.NewSecret([]byte(key.Secret)), Generation: 2, Rotation: "by-the-dead", Received: now}
}

// prepare leaves behind what the boot state says.
func (w *world) prepare(ctx context.Context, b boot) error {
	record := rotate.Record{
		KeyID: w.key.ID, ClientID: w.key.ClientID, Current: rotate.Candidate{Secret: w.first, Generation: 1},
	}
	if w.job.AdminSecret == "" {
		cfg := session.Config{URL: w.server.URL(), Scope: "session:boot-rescue account:read_write expires:3600"}
		token, err := session.Mint(ctx, cfg, record.Credentials())
		if err != nil {
			return err
		}
		w.rescue = token
	}
	if b.reset {
		if err := w.reset(ctx); err != nil {
			return err
		}
	}
	spare := b.leave(w, time.Now(), &record)
	if spare != nil {
		if _, err := filestore.Create(ctx, w.job.sparePath(), *spare); err != nil {
			return err
		}
	}
	var err error
	w.store, err = filestore.Create(ctx, w.job.storePath(), record)
	return err
}

// reset is a reset whose reply the dead has not stored.
func (w *world) reset(ctx context.Context) error {
	admin := session.Credentials{ClientID: w.admin.ClientID, Secret: session.NewSecret([]byte(w.admin.Secret))}
	s, err := session.Dial(ctx, session.Config{URL: w.server.URL(), Credentials: admin})
	if err != nil {
		return err
	}
	if err := s.Call(ctx, resetMethod, map[string]int64{"id": w.key.ID}, nil); err != nil {
		return err
	}
	return s.Close(ctx)
}
