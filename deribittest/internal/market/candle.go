package market

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// candle is one minute of trades. Coarser ones are made of these.
type candle struct {
	start                  time.Time
	open, high, low, close float64
	volume, cost           float64
}

// maxCandles is how many minutes of an instrument are remembered: a day.
const maxCandles = 24 * 60

// candle adds a trade to its minute.
func (h *history) candle(t publicTrade, volume float64, now time.Time) {
	start := now.Truncate(time.Minute)
	if n := len(h.candles); n == 0 || h.candles[n-1].start.Before(start) {
		if n == maxCandles {
			h.candles = slices.Delete(h.candles, 0, maxCandles/2)
		}
		h.candles = append(h.candles, candle{start: start, open: t.Price, high: t.Price, low: t.Price})
	}
	h.candles[len(h.candles)-1].add(candle{high: t.Price, low: t.Price, close: t.Price, volume: volume, cost: t.Amount})
}

// add appends a later candle.
func (c *candle) add(next candle) {
	c.high, c.low, c.close = max(c.high, next.high), min(c.low, next.low), next.close
	c.volume += next.volume
	c.cost += next.cost
}

// gather makes candles of a length from those that begin in a span of time.
func gather(minutes []candle, length time.Duration, from, to time.Time) []candle {
	var out []candle
	for _, c := range minutes {
		start := c.start.Truncate(length)
		if start.Before(from) || start.After(to) {
			continue
		}
		if n := len(out); n > 0 && out[n-1].start.Equal(start) {
			out[n-1].add(c)
			continue
		}
		c.start = start
		out = append(out, c)
	}
	return out
}

// resolution reads the length of candles: minutes, or D for a day.
func resolution(text string, allowed []string) (time.Duration, bool) {
	if !slices.Contains(allowed, text) {
		return 0, false
	}
	switch text {
	case "D", "1D":
		return 24 * time.Hour, true
	case "W":
		return 7 * 24 * time.Hour, true
	case "M":
		return 30 * 24 * time.Hour, true
	}
	minutes, err := strconv.Atoi(text)
	return time.Duration(minutes) * time.Minute, err == nil
}

// Resolutions: those of the channel and those of the method differ.
var (
	chartChannels = []string{"1", "3", "5", "10", "15", "30", "60", "120", "180", "240", "D", "W", "M"}
	chartData     = []string{"1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720", "1D"}
)

type chart struct {
	Status string    `json:"status"`
	Ticks  []int64   `json:"ticks"`
	Open   []float64 `json:"open"`
	High   []float64 `json:"high"`
	Low    []float64 `json:"low"`
	Close  []float64 `json:"close"`
	Volume []float64 `json:"volume"`
	Cost   []float64 `json:"cost"`
}

// chartData is public/get_tradingview_chart_data.
func (m *Market) chartData(_ Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	in := p.instrument(m)
	from, to := p.need("start_timestamp").integer("start_timestamp"), p.need("end_timestamp").integer("end_timestamp")
	length, ok := resolution(p.need("resolution").text("resolution"), chartData)
	if !ok {
		p.refuse("resolution", "wrong resolution")
	}
	if p.fault != nil {
		return nil, p.fault
	}
	out := chart{
		Status: "ok", Ticks: []int64{}, Open: []float64{}, High: []float64{}, Low: []float64{}, Close: []float64{},
		Volume: []float64{}, Cost: []float64{},
	}
	for _, c := range gather(in.history.candles, length, time.UnixMilli(from), time.UnixMilli(to)) {
		out.Ticks = append(out.Ticks, c.start.UnixMilli())
		out.Open, out.High = append(out.Open, c.open), append(out.High, c.high)
		out.Low, out.Close = append(out.Low, c.low), append(out.Close, c.close)
		out.Volume, out.Cost = append(out.Volume, round(c.volume, 8)), append(out.Cost, round(c.cost, 8))
	}
	if len(out.Ticks) == 0 {
		out.Status = "no_data"
	}
	return out, nil
}

// bar is a candle as its channel sends it.
type bar struct {
	Tick   int64   `json:"tick"`
	Open   float64 `json:"open"`
	High   float64 `json:"high"`
	Low    float64 `json:"low"`
	Close  float64 `json:"close"`
	Volume float64 `json:"volume"`
	Cost   float64 `json:"cost"`
}

// bar is the latest candle of a length. Every instrument has traded before its market opens.
func (h *history) bar(length time.Duration) bar {
	last := h.candles[len(h.candles)-1].start
	c := gather(h.candles, length, last.Truncate(length), last)[0]
	return bar{
		Tick: c.start.UnixMilli(), Open: c.open, High: c.high, Low: c.low, Close: c.close,
		Volume: round(c.volume, 8), Cost: round(c.cost, 8),
	}
}
