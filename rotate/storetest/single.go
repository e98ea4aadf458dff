package storetest

import (
	"context"
	"errors"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// checkEmpty: an empty store says so, and takes a first record as version 0's successor only.
func checkEmpty(p *probe) {
	s := p.open()
	if _, err := s.Load(p.Context()); !errors.Is(err, rotate.ErrNotFound) {
		p.Errorf("Load of an empty store: %v, not ErrNotFound", err)
	}
	if _, err := s.Save(p.Context(), made(1), 1); !errors.Is(err, rotate.ErrConflict) {
		p.Errorf("Save to an empty store if version 1: %v, not ErrConflict", err)
	}
	if _, err := p.open().Load(p.Context()); !errors.Is(err, rotate.ErrNotFound) {
		p.Errorf("Load of a store that has refused its first record: %v, not ErrNotFound", err)
	}
	p.save(s, made(1), 0)
	p.stands("after the first Save", made(1))
}

// checkRoundTrip: every field comes back, from every handle, and the version is the store's.
func checkRoundTrip(p *probe) {
	s := p.open()
	var version uint64
	for n := range uint64(5) {
		record := made(n + 1)
		record.Version = 99
		version = p.save(s, record, version)
		for _, s := range []guarded{s, p.open()} {
			got, ok := p.load(s)
			if ok && got.Version != version {
				p.Errorf("Load: version %d after Save has returned %d", got.Version, version)
			}
		}
		p.stands("after Save", made(n+1))
	}
}

// checkRemoval: what a new record does not have is gone.
func checkRemoval(p *probe) {
	s := p.open()
	version := p.save(s, made(1), 0)
	free := made(2)
	free.Lease = &rotate.Lease{Epoch: 7}
	version = p.save(s, free, version)
	p.stands("a lease that is free", free)
	bare := made(3)
	bare.Candidates, bare.Intent, bare.Lease, bare.KeyID = nil, nil, nil, 0
	bare.Current.Rotation = ""
	p.save(s, bare, version)
	p.stands("a record without candidates, intent and lease", bare)
}

// checkConflict: any version but the present one is refused, and changes nothing.
func checkConflict(p *probe) {
	s := p.open()
	first := p.save(s, made(1), 0)
	second := p.save(s, made(2), first)
	for _, version := range []uint64{0, first, second + 1, ^uint64(0)} {
		for _, s := range []guarded{s, p.open()} {
			got, err := s.Save(p.Context(), made(3), version)
			if !errors.Is(err, rotate.ErrConflict) {
				p.Errorf("Save if version %d over version %d: %d, %v, not ErrConflict", version, second, got, err)
			}
		}
		p.stands("after a Save that was refused", made(2))
	}
	p.save(s, made(3), second)
}

// checkOwnership: neither what was given to Save nor what came from Load is the store's own memory.
func checkOwnership(p *probe) {
	s := p.open()
	given := made(2)
	p.save(s, given, 0)
	spoil(given)
	p.stands("after the record given to Save was changed", made(2))
	if got, ok := p.load(s); ok {
		spoil(got)
	}
	p.stands("after a record that was loaded was changed", made(2))
	if got, ok := p.load(s); ok && len(differences(got, made(2))) > 0 {
		p.Errorf("a record that was loaded shares its memory with the store")
	}
}

func spoil(r rotate.Record) {
	for i := range r.Candidates {
		r.Candidates[i] = rotate.Candidate{}
	}
	if r.Intent != nil {
		r.Intent.ID = "spoilt"
	}
	if r.Replacement != nil {
		r.Replacement.Secret, r.Replacement.KeyID = session.Secret{}, 0
	}
	for i := range r.Former {
		r.Former[i] = "spoilt"
	}
	if r.Lease != nil {
		r.Lease.Owner = "spoilt"
	}
}

// checkEndedContext: a ctx that has ended is an error, and nothing is done.
func checkEndedContext(p *probe) {
	s := p.open()
	version := p.save(s, made(1), 0)
	ctx, cancel := context.WithCancel(p.Context())
	cancel()
	if _, err := s.Load(ctx); !errors.Is(err, context.Canceled) {
		p.Errorf("Load with a ctx that has ended: %v, not its error", err)
	}
	if _, err := s.Save(ctx, made(2), version); !errors.Is(err, context.Canceled) {
		p.Errorf("Save with a ctx that has ended: %v, not its error", err)
	}
	p.stands("after a Save with a ctx that had ended", made(1))
	for record, err := range s.Watch(ctx) {
		if err == nil || !errors.Is(err, context.Canceled) {
			p.Errorf("Watch with a ctx that has ended: version %d, %v", record.Version, err)
			break
		}
	}
}
