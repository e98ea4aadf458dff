package crashtest_test

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// boot is what a process finds that another has left behind.
type boot struct {
	name   string
	ofWhom whom
	done   string // the method that the exchange has executed for the dead, with its key; empty for none
	leave  func(w *world, now time.Time, record *rotate.Record) (spare *rotate.Record)
}

// whom is who can have left a boot state.
type whom int

const (
	anybody   whom = iota
	resetting      // which an asymmetric key never is
	replacing
)

var boots = []boot{
	{"clean", anybody, "", func(*world, time.Time, *rotate.Record) *rotate.Record { return nil }},
	{"an intent", resetting, "", func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Intent = w.intent(now, time.Time{})
		return nil
	}},
	{"a stamped intent", resetting, "", func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Intent = w.intent(now, now)
		return nil
	}},
	{"a candidate", resetting, resetMethod, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Intent, r.Candidates = w.intent(now, time.Time{}), []rotate.Candidate{w.candidate(now)}
		return nil
	}},
	{"the current secret is dead", resetting, resetMethod, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Intent = w.intent(now, now)
		return nil
	}},
	{"promoted", resetting, resetMethod, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Current, r.Intent = w.candidate(now), w.intent(now, now)
		r.Intent.Settling = true
		return nil
	}},
	{"a lease", anybody, "", func(_ *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Lease = &rotate.Lease{Owner: "the dead", Epoch: 7, Expires: now.Add(leaseLeft)}
		return nil
	}},
	{"unsaved", resetting, resetMethod, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Intent = w.intent(now, now)
		return &rotate.Record{KeyID: w.key.ID, ClientID: w.key.ClientID, Current: w.candidate(now)}
	}},
	{"a new key is named", replacing, "", func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Replacement = w.named(now)
		return nil
	}},
	{"a new key is created", replacing, "", func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Replacement = w.named(now)
		w.create(r.Replacement)
		return nil
	}},
	{"a new key is stored", replacing, "", func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		r.Replacement = w.stored(now)
		return nil
	}},
	{"a new key is promoted", replacing, "", func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		w.replace(now, r)
		return nil
	}},
	{"the old key is removed", replacing, removeMethod, func(w *world, now time.Time, r *rotate.Record) *rotate.Record {
		w.replace(now, r)
		return nil
	}},
}

// isOf reports whether a key of the strategy can be found so.
func (b boot) isOf(s strategy) bool { return s != replaceEd25519 || b.ofWhom != resetting }

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

// named is a new key that the dead has asked for, so long ago that it exists or never will.
func (w *world) named(now time.Time) *rotate.Replacement {
	return &rotate.Replacement{ID: "by-the-dead", Name: "hf_by_the_dead", Sent: now.Add(-longAgo), Secret: w.next.private}
}

// create has the exchange have the new key.
func (w *world) create(p *rotate.Replacement) deribittest.Key {
	return w.server.AddKey(deribittest.KeyConfig{Name: p.Name, PublicKey: w.next.public})
}

// stored is a new key that exists, and of which the dead has stored the answer.
func (w *world) stored(now time.Time) *rotate.Replacement {
	p := w.named(now)
	key := w.create(p)
	p.KeyID, p.ClientID = key.ID, key.ClientID
	if p.Secret.IsZero() {
		p.Secret = session.NewSecret([]byte(key.Secret))
	}
	return p
}

// replace makes a new key the current one.
func (w *world) replace(now time.Time, r *rotate.Record) {
	p := w.stored(now)
	r.Former = []string{r.ClientID}
	r.Current = rotate.Candidate{Secret: p.Secret, Generation: 2, Rotation: p.ID, Received: now}
	r.KeyID, r.ClientID, p.KeyID, p.ClientID = p.KeyID, p.ClientID, r.KeyID, r.ClientID
	p.Secret, p.Promoted = session.Secret{}, now
	r.Replacement = p
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
	if b.done != "" {
		if err := w.manage(ctx, b.done, map[string]int64{"id": w.key.ID}, nil); err != nil {
			return err
		}
	}
	spare := b.leave(w, time.Now(), &record)
	if spare != nil {
		if _, err := filestore.Create(ctx, w.job.sparePath(), *spare); err != nil {
			return err
		}
	}
	_, err := w.store.Save(ctx, record, 0)
	return err
}

// manage calls a method on keys with the second key of the account.
func (w *world) manage(ctx context.Context, method string, params map[string]int64, result any) error {
	admin := session.Credentials{ClientID: w.admin.ClientID, Secret: session.NewSecret([]byte(w.admin.Secret))}
	s, err := session.Dial(ctx, session.Config{URL: w.server.URL(), Credentials: admin})
	if err != nil {
		return err
	}
	return errors.Join(s.Call(ctx, method, params, result), s.Close(ctx))
}
