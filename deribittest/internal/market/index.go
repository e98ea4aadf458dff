package market

import (
	"math"
	"math/rand/v2"
	"time"
)

// index is the price of an underlying. It wanders around an anchor, so that a long run does not lead anywhere.
type index struct {
	name          string
	price, anchor float64
	decimals      int
	volatility    float64 // the volatility index, in percent; 0 for none
	feeds         []*stream
}

func newIndexes() []*index {
	return []*index{
		{name: "btc_usd", anchor: 65000, price: 65000, decimals: 2, volatility: 55},
		{name: "eth_usd", anchor: 3200, price: 3200, decimals: 2, volatility: 62},
		{name: "btc_usdc", anchor: 65010, price: 65010, decimals: 2},
		{name: "eth_usdc", anchor: 3200.5, price: 3200.5, decimals: 2},
		{name: "sol_usdc", anchor: 150, price: 150, decimals: 4},
	}
}

// walk makes one step.
func (ix *index) walk(rng *rand.Rand) {
	pull := 0.001 * (ix.anchor - ix.price) / ix.anchor
	ix.price = round(ix.price*(1+pull+rng.NormFloat64()*2e-5), ix.decimals)
	if ix.volatility > 0 {
		ix.volatility = max(10, round(ix.volatility+rng.NormFloat64()*0.02, 4))
	}
}

// optionValue is an option's worth in terms of its underlying, and how it moves.
type optionValue struct {
	price, iv                 float64
	delta, gamma, vega, theta float64
}

const impliedVolatility = 0.6

// black values an option by Black's formula, undiscounted, in the base currency.
func black(forward, strike float64, left time.Duration, kind string) optionValue {
	years := max(left.Hours(), 1) / (365 * 24)
	sigma := impliedVolatility * math.Sqrt(years)
	d1 := math.Log(forward/strike)/sigma + sigma/2
	density := math.Exp(-d1*d1/2) / math.Sqrt(2*math.Pi)
	v := optionValue{
		iv:    100 * impliedVolatility,
		delta: normal(d1),
		gamma: density / (forward * sigma),
		vega:  forward * density * math.Sqrt(years) / 100,
		theta: -forward * density * impliedVolatility / (2 * math.Sqrt(years)) / 365,
	}
	call := v.delta - strike/forward*normal(d1-sigma)
	v.price = call
	if kind == "put" {
		v.price = call - 1 + strike/forward
		v.delta--
	}
	return v
}

// normal is the cumulative normal distribution.
func normal(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
