package peers

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

// minRounds is how many rounds a race has at least, however short -benchtime is.
const minRounds = 11

// A chunk does some operations, checks what came of each, and returns how many it did.
type chunk func() (int, error)

// A contender does ops operations whenever it is its turn.
type contender struct {
	ops  int
	work chunk
}

// A race has a subject and its rivals take turns.
type race struct {
	subject contender
	rivals  []contender
	after   func() error // called after each of the subject's turns, outside the clock; nil for none
}

// standing is what came of a race.
type standing struct {
	subject []float64   // nanoseconds an operation, by round
	rivals  [][]float64 // by rival, then by round
	mallocs uint64      // by the subject, in objects
	bytes   uint64      // by the subject
}

func newStanding(rivals int) *standing { return &standing{rivals: make([][]float64, rivals)} }

var errMeasuredNothing = errors.New("measured nothing")

// run makes one round to warm up, then rounds while more says so, and at least minRounds.
func (r race) run(more func() bool) (*standing, error) {
	if err := r.round(newStanding(len(r.rivals))); err != nil {
		return nil, err
	}
	s := newStanding(len(r.rivals))
	for more() {
		if err := r.round(s); err != nil {
			return nil, err
		}
	}
	for len(s.subject) < minRounds {
		if err := r.round(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// round times everybody once: the subject first in even rounds, last in odd ones.
func (r race) round(s *standing) error {
	turns := make([]func() error, 0, 1+len(r.rivals))
	turns = append(turns, func() error { return r.subjectTurn(s) })
	for i, rival := range r.rivals {
		turns = append(turns, func() error {
			took, err := rival.turn()
			s.rivals[i] = append(s.rivals[i], took)
			return err
		})
	}
	if len(s.subject)%2 == 1 {
		slices.Reverse(turns)
	}
	for _, turn := range turns {
		if err := turn(); err != nil {
			return err
		}
	}
	return nil
}

func (r race) subjectTurn(s *standing) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	took, err := r.subject.turn()
	runtime.ReadMemStats(&after)
	s.subject = append(s.subject, took)
	s.mallocs += after.Mallocs - before.Mallocs
	s.bytes += after.TotalAlloc - before.TotalAlloc
	if err != nil || r.after == nil {
		return err
	}
	return r.after()
}

// turn returns how many nanoseconds an operation took.
func (c contender) turn() (float64, error) {
	start := time.Now()
	done, err := c.work()
	took := time.Since(start)
	switch {
	case err != nil:
		return 0, err
	case done != c.ops || done == 0 || took <= 0:
		return 0, fmt.Errorf("%w: %d of %d operations in %v", errMeasuredNothing, done, c.ops, took)
	}
	return float64(took) / float64(done), nil
}

// ratio is the median over the rounds of the subject's time by a rival's.
func (s *standing) ratio(rival int) float64 {
	ratios := make([]float64, len(s.subject))
	for i, took := range s.subject {
		ratios[i] = took / s.rivals[rival][i]
	}
	return median(ratios)
}

// nearest returns the rival that is fastest beside the subject, and its ratio.
func (s *standing) nearest() (rival int, ratio float64) {
	for i := range s.rivals {
		if x := s.ratio(i); x > ratio {
			rival, ratio = i, x
		}
	}
	return rival, ratio
}

// report puts the subject's line together, and if it has rivals the ratio to the nearest and that one's time.
func (r race) report(b *testing.B, ratioUnit, rivalUnit string) {
	b.Helper()
	s, err := r.run(b.Loop)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(median(s.subject), "ns/op")
	b.ReportAllocs()
	total := uint64(len(s.subject) * r.subject.ops)
	b.ReportMetric(float64(s.mallocs/total), "allocs/op") // rounded down, as package testing does
	b.ReportMetric(float64(s.bytes/total), "B/op")
	if len(r.rivals) == 0 {
		return
	}
	rival, ratio := s.nearest()
	b.ReportMetric(ratio, ratioUnit)
	b.ReportMetric(median(s.rivals[rival]), rivalUnit)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
