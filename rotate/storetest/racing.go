package storetest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-ws/holdfast/rotate"
)

// How many race with each other, and how often each has to win.
const (
	racers = 16
	wins   = 4
)

// change changes the record as it stands, again and again until nobody else was faster. It returns the version that it made, 0
// if it could not.
func (p *probe) change(s guarded, change func(*rotate.Record)) uint64 {
	for {
		record, ok := p.load(s)
		if !ok {
			return 0
		}
		change(&record)
		version, err := s.Save(p.Context(), record, record.Version)
		switch {
		case err == nil:
			return version
		case !errors.Is(err, rotate.ErrConflict):
			p.Errorf("Save by one of several: %v", err)
			return 0
		}
	}
}

// race runs fn on as many goroutines, with a handle each.
func (p *probe) race(fn func(racer int, s guarded)) {
	var group sync.WaitGroup
	for racer := range racers {
		s := p.open()
		group.Go(func() { fn(racer, s) })
	}
	group.Wait()
}

// checkCompareAndSwap: of those who save over the same version exactly one does, and none's work is lost.
func checkCompareAndSwap(p *probe) {
	p.save(p.open(), made(1), 0)
	var mu sync.Mutex // protects winners
	winners := make(map[uint64]int)
	p.race(func(_ int, s guarded) {
		for range wins {
			version := p.change(s, func(r *rotate.Record) { *r = carry(made(r.Current.Generation+1), r.Version) })
			mu.Lock()
			winners[version]++
			mu.Unlock()
		}
	})
	for version, n := range winners {
		if n != 1 {
			p.Errorf("version %d was made by %d", version, n)
		}
	}
	p.stands(fmt.Sprintf("after %d updates", racers*wins), made(racers*wins+1))
}

func carry(r rotate.Record, version uint64) rotate.Record {
	r.Version = version
	return r
}

// checkCandidates: of the candidates that several add none is lost, and each has its place after those that it came after.
func checkCandidates(p *probe) {
	bare := made(1)
	bare.Candidates = nil
	p.save(p.open(), bare, 0)
	p.race(func(racer int, s guarded) {
		for n := range wins {
			p.change(s, func(r *rotate.Record) {
				r.Candidates = append(r.Candidates, rotate.Candidate{
					Secret: secret("added", racer*wins+n), Generation: uint64(len(r.Candidates)),
					Rotation: fmt.Sprintf("%d-%d", racer, n), Received: began,
				})
			})
		}
	})
	got, ok := p.load(p.open())
	if !ok {
		return
	}
	seen := make(map[string]bool)
	for i, c := range got.Candidates {
		seen[c.Secret.Fingerprint()] = true
		if c.Generation != uint64(i) {
			p.Errorf("candidate %d was added as number %d", i, c.Generation)
		}
	}
	if len(seen) != racers*wins {
		p.Errorf("%d of %d candidates are there", len(seen), racers*wins)
	}
}

// checkNeverInBetween: who loads while others save gets one record or another, never something of both, and never an older one
// than before.
func checkNeverInBetween(p *probe) {
	p.save(p.open(), made(1), 0)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range racers / 4 {
		s := p.open()
		readers.Go(func() { p.read(s, done) })
	}
	p.race(func(_ int, s guarded) {
		for range wins {
			p.change(s, func(r *rotate.Record) { *r = carry(made(r.Current.Generation+1), r.Version) })
		}
	})
	close(done)
	readers.Wait()
}

// read loads until done, and once more.
func (p *probe) read(s guarded, done <-chan struct{}) {
	var version uint64
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		got, ok := p.load(s)
		if !ok {
			return
		}
		if got.Version < version {
			p.Errorf("Load: version %d after %d", got.Version, version)
		}
		version = got.Version
		for _, difference := range differences(got, made(got.Current.Generation)) {
			p.Errorf("Load while others save: %s", difference)
		}
	}
}
