package market

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// ChannelInfo says what a channel is. Kind is its family, as "book" or "user.orders".
type ChannelInfo struct {
	Private, Raw bool
	Kind         string
}

// Families of channels.
const (
	familyBook        = "book"
	familyGrouped     = "book.grouped"
	familyTicker      = "ticker"
	familyIncremental = "incremental_ticker"
	familyQuote       = "quote"
	familyTrades      = "trades"
	familyPerpetual   = "perpetual"
	familyIndex       = "deribit_price_index"
	familyVolatility  = "deribit_volatility_index"
	familyChart       = "chart.trades"
	familyState       = "instrument.state"
	familyOrders      = "user.orders"
	familyUserTrades  = "user.trades"
	familyChanges     = "user.changes"
	familyPortfolio   = "user.portfolio"
)

// channel is the name of a channel, taken apart.
type channel struct {
	family         string
	private        bool
	in             *instrument // nil where a kind and currency stand instead
	kind, currency string
	index          *index
	raw            bool
	interval       time.Duration // between messages; 0 is raw
	group          int64         // of a grouped book, in ticks
	depth          int
	length         time.Duration // of candles
}

// Channel tells what a channel name stands for. It is not ok for a name that the exchange refuses.
func (m *Market) Channel(name string) (info ChannelInfo, ok bool) {
	c, ok := m.parse(name)
	return ChannelInfo{Private: c.private, Raw: c.raw, Kind: c.family}, ok
}

// plain are the channels without parameters.
var plain = map[string]channel{
	"announcements":                       {family: "announcements"},
	"platform_state":                      {family: "platform_state"},
	"platform_state.public_methods_state": {family: "platform_state.public_methods_state"},
	"user.access_log":                     {family: "user.access_log", private: true},
	"user.lock":                           {family: "user.lock", private: true},
}

// parse takes a channel name apart.
func (m *Market) parse(name string) (c channel, ok bool) {
	if c, ok = plain[name]; ok {
		return c, true
	}
	parts := strings.Split(name, ".")
	switch parts[0] {
	case "chart", "instrument", "user":
		if len(parts) < 2 {
			return c, false
		}
		parts = slices.Concat([]string{parts[0] + "." + parts[1]}, parts[2:])
	}
	c.family = parts[0]
	return c, m.parameters(&c, parts[1:])
}

// parameters reads what follows the family.
func (m *Market) parameters(c *channel, args []string) bool {
	switch c.family {
	case familyBook:
		if len(args) == 4 {
			c.family = familyGrouped
			return m.takeInstrument(c, args[0]) && c.takeGroup(args[1], args[2]) && c.takeInterval(args[3])
		}
		return len(args) == 2 && m.takeInstrument(c, args[0]) && c.takeInterval(args[1])
	case familyTicker, familyPerpetual:
		return len(args) == 2 && m.takeInstrument(c, args[0]) && c.takeInterval(args[1])
	case familyIncremental:
		c.interval = time.Second
		return len(args) == 1 && m.takeInstrument(c, args[0])
	case familyQuote:
		return len(args) == 1 && m.takeInstrument(c, args[0])
	case familyTrades:
		return m.takeScope(c, args)
	case familyOrders, familyUserTrades, familyChanges:
		c.private = true
		return m.takeScope(c, args)
	case familyIndex, familyVolatility:
		c.interval = time.Second
		return len(args) == 1 && m.takeIndex(c, args[0])
	case familyChart:
		return len(args) == 2 && m.takeInstrument(c, args[0]) && c.takeResolution(args[1])
	case familyState:
		return len(args) == 2 && c.takeKind(args[0], args[1])
	case familyPortfolio:
		c.private, c.interval = true, time.Second
		return len(args) == 1 && c.takeKind(anyValue, args[0])
	}
	return false
}

// takeScope reads an instrument, or a kind and currency, and then an interval.
func (m *Market) takeScope(c *channel, args []string) bool {
	switch len(args) {
	case 2:
		return m.takeInstrument(c, args[0]) && c.takeInterval(args[1])
	case 3:
		return c.takeKind(args[0], args[1]) && c.takeInterval(args[2])
	}
	return false
}

func (m *Market) takeInstrument(c *channel, name string) (ok bool) {
	c.in, ok = m.byName[name]
	return ok
}

func (m *Market) takeIndex(c *channel, name string) (ok bool) {
	c.index, ok = m.indexes[name]
	return ok && (c.family != familyVolatility || c.index.volatility > 0)
}

func (c *channel) takeKind(kind, currency string) bool {
	c.kind, c.currency = kind, currency
	return slices.Contains(kindWords[1:], kind) && slices.Contains(currencyWords[1:], currency)
}

func (c *channel) takeInterval(text string) bool {
	switch text {
	case "raw":
		c.raw = true
	case "100ms":
		c.interval = 100 * time.Millisecond
	case "agg2": // two texts of the exchange differ: two seconds, and roughly one
		c.interval = time.Second
	default:
		return false
	}
	return true
}

// takeGroup reads the grouping and depth of a book. A group is in whole units for BTC and in hundredths for the others; one
// that is no multiple of the tick is refused.
func (c *channel) takeGroup(group, depth string) bool {
	c.group = 1
	if group != "none" {
		units, err := strconv.Atoi(group)
		if err != nil || !slices.Contains([]string{"1", "2", "5", "10", "25", "100", "250"}, group) {
			return false
		}
		size := float64(units)
		if c.in.BaseCurrency != "BTC" {
			size /= 100
		}
		ticks, whole := c.in.tick.count(size)
		if !whole || ticks < 1 || c.in.Kind == kindOption {
			return false
		}
		c.group = ticks
	}
	var err error
	c.depth, err = strconv.Atoi(depth)
	return err == nil && slices.Contains([]string{"1", "10", "20"}, depth)
}

func (c *channel) takeResolution(text string) (ok bool) {
	c.length, ok = resolution(text, chartChannels)
	return ok
}

// follows reports whether what happens on an instrument concerns the channel.
func (c *channel) follows(in *instrument) bool {
	if c.in != nil {
		return c.in == in
	}
	return in.is(c.kind, c.currency)
}
