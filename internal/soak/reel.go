package main

import (
	"hash/maphash"
	"strings"
	"sync"

	"github.com/holdfast-ws/holdfast/session"
)

// reel is which messages a channel brought, and how often each: those that are the same and follow each other count as one.
type reel struct {
	last   uint64
	counts map[uint64]int
}

// reels are those of many channels. What a book or a ticker begins with is how things stand, and told to whoever begins: the witness
// leaves it out, and of books everybody does.
type reels struct {
	seed      maphash.Seed
	isWitness bool

	mu sync.Mutex // protects of
	of map[string]*reel
}

func (s *reels) take(n session.Notification) {
	key := maphash.Bytes(s.seed, n.Data)
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of[n.Channel]
	if one == nil {
		one = &reel{counts: map[uint64]int{}}
		s.of[n.Channel] = one
		if isBook := strings.HasPrefix(n.Channel, "book."); isBook || s.isWitness && strings.HasPrefix(n.Channel, "ticker.") {
			return
		}
	}
	if one.counts[key] == 0 || one.last != key {
		one.counts[key]++
	}
	one.last = key
}

// compared is how the reels of one kind differ from a witness's.
type compared struct {
	lost, again int
	own         int    // messages that the witness has not seen at all
	example     string // of a channel that lacks something
}

// compare holds the channels of a kind against the witness's.
func (s *reels) compare(witness *reels, kind string) (c compared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	witness.mu.Lock()
	defer witness.mu.Unlock()
	for channel, told := range witness.of {
		if !strings.HasPrefix(channel, kind+".") {
			continue
		}
		seen := s.of[channel]
		if seen == nil {
			seen = &reel{}
		}
		for key, n := range told.counts {
			if missing := n - seen.counts[key]; missing > 0 {
				c.lost += missing
				c.example = channel
			} else {
				c.again -= missing
			}
		}
		for key, n := range seen.counts {
			if told.counts[key] == 0 {
				c.own += n
			}
		}
	}
	return c
}
