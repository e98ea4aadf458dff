package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// patience is for what must happen some time; a Watch that polls may take its time.
const patience = 20 * time.Second

// guarded is a store whose errors are searched for secrets, and whose failures come without a record or version.
type guarded struct {
	store rotate.Store
	probe *probe
}

var _ rotate.Store = guarded{}

// Load is the store's.
func (g guarded) Load(ctx context.Context) (rotate.Record, error) {
	record, err := g.store.Load(ctx)
	g.look("Load", err)
	if err != nil && len(differences(record, rotate.Record{})) > 0 {
		g.probe.Errorf("Load: a record came with an error")
	}
	return record, err
}

// Save is the store's.
func (g guarded) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	version, err := g.store.Save(ctx, record, ifVersion)
	g.look("Save", err)
	return version, err
}

// Watch is the store's.
func (g guarded) Watch(ctx context.Context) iter.Seq2[rotate.Record, error] {
	return func(yield func(rotate.Record, error) bool) {
		for record, err := range g.store.Watch(ctx) {
			g.look("Watch", err)
			if !yield(record, err) {
				return
			}
		}
	}
}

// look searches the error, and each that it wraps.
func (g guarded) look(what string, err error) {
	for ; err != nil; err = errors.Unwrap(err) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%x"} {
			said := fmt.Sprintf(verb, err)
			if strings.Contains(said, canary) || strings.Contains(said, fmt.Sprintf("%x", canary)) {
				g.probe.Errorf("%s: its error (%T) prints a secret with %s", what, err, verb)
			}
		}
	}
}
