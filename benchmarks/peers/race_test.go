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

// A chunk does a fixed number of operations, checks what came of each, and returns how many it did.
type chunk func() (int, error)

// A race has a subject and its rivals take turns.
type race struct {
	ops     int // of every chunk
	subject chunk
	rivals  []chunk
	after   func() error // called after each of the subject's chunks, outside the clock; nil for none
}

// standing is what came of a race.
type standing struct {
	subject []time.Duration   // the time of each chunk
	rivals  [][]time.Duration // by rival, then by round
	mallocs uint64            // by the subject, in objects
	bytes   uint64            // by the subject
}

func newStanding(rivals int) *standing { return &standing{rivals: make([][]time.Duration, rivals)} }

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
			took, err := r.time(rival)
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
	took, err := r.time(r.subject)
	runtime.ReadMemStats(&after)
	s.subject = append(s.subject, took)
	s.mallocs += after.Mallocs - before.Mallocs
	s.bytes += after.TotalAlloc - before.TotalAlloc
	if err != nil || r.after == nil {
		return err
	}
	return r.after()
}

func (r race) time(work chunk) (time.Duration, error) {
	start := time.Now()
	done, err := work()
	took := time.Since(start)
	switch {
	case err != nil:
		return took, err
	case done != r.ops || done == 0 || took <= 0:
		return took, fmt.Errorf("%w: %d of %d operations in %v", errMeasuredNothing, done, r.ops, took)
	}
	return took, nil
}

// ratio is the median over the rounds of the subject's time by a rival's.
func (s *standing) ratio(rival int) float64 {
	ratios := make([]float64, len(s.subject))
	for i, took := range s.subject {
		ratios[i] = float64(took) / float64(s.rivals[rival][i])
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
	b.ReportMetric(perOp(s.subject, r.ops), "ns/op")
	b.ReportAllocs()
	total := uint64(len(s.subject) * r.ops)
	b.ReportMetric(float64(s.mallocs/total), "allocs/op") // rounded down, as package testing does
	b.ReportMetric(float64(s.bytes/total), "B/op")
	if len(r.rivals) == 0 {
		return
	}
	rival, ratio := s.nearest()
	b.ReportMetric(ratio, ratioUnit)
	b.ReportMetric(perOp(s.rivals[rival], r.ops), rivalUnit)
}

// perOp is the median time of an operation in nanoseconds.
func perOp(chunks []time.Duration, ops int) float64 {
	return float64(median(chunks)) / float64(ops)
}

func median[T time.Duration | float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
