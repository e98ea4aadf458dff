package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// differences are what a percentile was in each turn, in microseconds.
type differences struct {
	without, with []float64
	added         []float64 // by rotations, to the mean of the two chunks without any
	floor         []float64 // by which those two differ
}

func differ(turns []turn, at float64) (d differences) {
	for _, one := range turns {
		first, second, with := micros(one.without.took.at(at)), micros(one.again.took.at(at)), micros(one.with.took.at(at))
		d.without, d.with = append(d.without, first, second), append(d.with, with)
		d.added = append(d.added, with-(first+second)/2)
		d.floor = append(d.floor, first-second)
	}
	return d
}

// String tells each as its median, and between what it is.
func (d differences) String() string {
	return fmt.Sprintf("without %s, with %s, added %s; without against itself %s", spread(d.without), spread(d.with), spread(d.added), spread(d.floor))
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// spread tells the median, and between which of the values the median of all such turns is, 95 % sure: it has as many of them
// below as a coin has heads, whatever they are distributed like. Of fewer than six it is as sure as all of them make it: 94 % of five.
func spread(values []float64) string {
	sorted := slices.Sorted(slices.Values(values))
	n := float64(len(sorted))
	beyond := max(0, int((n-1.96*math.Sqrt(n))/2))
	return fmt.Sprintf("%.0f [%.0f..%.0f]", median(values), sorted[beyond], sorted[len(sorted)-1-beyond])
}
