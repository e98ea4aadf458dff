package market

import "math"

// step is a smallest unit, as a fraction: prices count in ticks, amounts in lots. Whole numbers keep sums exact, and one
// division at the end gives the float that prints without noise.
type step struct{ num, den int64 }

func (s step) value(n int64) float64 { return float64(n*s.num) / float64(s.den) }

// size is one step as a number.
func (s step) size() float64 { return s.value(1) }

const maxSteps = 1 << 50

// count turns a number into steps. It is not ok for a number between two steps, or beyond all sense.
func (s step) count(v float64) (n int64, ok bool) {
	x := v * float64(s.den) / float64(s.num)
	if math.IsNaN(x) || math.Abs(x) > maxSteps {
		return 0, false
	}
	whole := math.Round(x)
	return int64(whole), math.Abs(x-whole) <= 1e-6+math.Abs(x)*1e-12
}

// near turns a number into the closest number of steps.
func (s step) near(v float64) int64 {
	return int64(math.Round(v * float64(s.den) / float64(s.num)))
}

// round cuts a derived number to so many decimals, as the exchange prints them.
func round(v float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(v*scale) / scale
}
