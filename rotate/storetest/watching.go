package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// follow ranges over a Watch until fn says no, and fails the check if a version does not rise or patience ends.
func (p *probe) follow(s guarded, fn func(rotate.Record, error) bool) {
	ctx, cancel := p.within()
	defer cancel()
	var version uint64
	for record, err := range s.Watch(ctx) {
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			if record.Version <= version {
				p.Errorf("Watch: version %d after %d", record.Version, version)
			}
			version = record.Version
			for _, difference := range differences(record, made(record.Current.Generation)) {
				p.Errorf("Watch: %s", difference)
			}
		}
		if !fn(record, err) {
			return
		}
	}
	p.Errorf("Watch: ended, or yielded nothing for %v: the last it had was version %d", patience, version)
}

// checkWatch: the record that stands comes first, and then what others save.
func checkWatch(p *probe) {
	s := p.open()
	version := p.save(s, made(1), 0)
	n := uint64(1)
	p.follow(p.open(), func(record rotate.Record, err error) bool {
		if err != nil {
			p.Errorf("Watch: %v", err)
			return false
		}
		if record.Version != version {
			p.Errorf("Watch: version %d, where %d stands", record.Version, version)
			return false
		}
		if n++; n > 3 {
			return false
		}
		version = p.save(s, made(n), version)
		return true
	})
}

// checkWatchersSeeTheLast: several watch while several save; each sees the last record, whatever it skips.
func checkWatchersSeeTheLast(p *probe) {
	p.save(p.open(), made(1), 0)
	const last = racers*wins + 1
	var watchers sync.WaitGroup
	for range 3 {
		s := p.open()
		watchers.Go(func() {
			p.follow(s, func(record rotate.Record, err error) bool {
				if err != nil {
					p.Errorf("Watch: %v", err)
				}
				return record.Current.Generation != last
			})
		})
	}
	p.race(func(_ int, s guarded) {
		for range wins {
			p.change(s, func(r *rotate.Record) { *r = carry(made(r.Current.Generation+1), r.Version) })
		}
	})
	watchers.Wait()
}

// watchBegins is enough for a Watch to begin.
const watchBegins = 50 * time.Millisecond

// checkWatchOfNothing: a Watch of an empty store waits for the first record.
func checkWatchOfNothing(p *probe) {
	s := p.open()
	var saving sync.WaitGroup
	saving.Go(func() {
		<-time.After(watchBegins)
		p.save(p.open(), made(1), 0)
	})
	p.follow(s, func(record rotate.Record, err error) bool {
		if err != nil && !errors.Is(err, rotate.ErrNotFound) {
			p.Errorf("Watch of an empty store: %v", err)
		}
		return record.Version == 0
	})
	saving.Wait()
}

// checkWatchEnds: a Watch ends with its ctx, and with the loop over it.
func checkWatchEnds(p *probe) {
	s := p.open()
	p.save(s, made(1), 0)
	ctx, cancel := p.within()
	defer cancel()
	rounds := 0
	for _, err := range s.Watch(ctx) {
		rounds++
		if rounds == 1 && err != nil {
			p.Errorf("Watch: %v", err)
		}
		if rounds > 1 && !errors.Is(err, context.Canceled) {
			p.Errorf("Watch: goes on after the end of its ctx")
			break
		}
		cancel()
	}
	if rounds == 0 {
		p.Errorf("Watch: yielded nothing")
	}
	ctx, cancel = p.within()
	defer cancel()
	for _, err := range s.Watch(ctx) {
		if err != nil {
			p.Errorf("Watch: %v", err)
		}
		break // an iterator that goes on after this panics
	}
}
