package market

import (
	"math"
	"slices"
)

// account is one account: its money, its positions and its orders.
type account struct {
	id        int64
	balances  map[string]float64
	positions map[string]*position // by instrument
	open      []*order             // oldest first
	orders    map[string]*order    // every order, by id
	history   []*order             // every order, oldest first
	labels    map[string][]*order
	trades    []*userTrade
	feeds     []*stream
}

// currencies are those that an account can hold.
var currencies = []string{"BTC", "ETH", "USDC", "USDT", "EURR"}

func newAccount(id int64) *account {
	return &account{
		id:        id,
		balances:  map[string]float64{"BTC": 100, "ETH": 1000, "USDC": 5_000_000, "USDT": 100_000, "EURR": 100_000},
		positions: make(map[string]*position),
		orders:    make(map[string]*order),
		labels:    make(map[string][]*order),
	}
}

// account returns the account of an id; each begins with the same money.
func (m *Market) account(id int64) *account {
	a, ok := m.accounts[id]
	if !ok {
		a = newAccount(id)
		m.accounts[id] = a
	}
	return a
}

// admit takes a new order into the account's books.
func (a *account) admit(o *order) {
	a.orders[o.id] = o
	a.history = append(a.history, o)
	if o.label != "" {
		a.labels[o.label] = append(a.labels[o.label], o)
	}
}

// close takes an order from the open ones.
func (a *account) close(o *order) {
	if i := slices.Index(a.open, o); i >= 0 {
		a.open = slices.Delete(a.open, i, i+1)
	}
}

// position is what an account holds of an instrument.
type position struct {
	in       *instrument
	lots     int64 // negative when short
	cost     float64
	realized float64
}

// payer is the currency in which fees and profits of the instrument are.
func (in *instrument) payer() string {
	if in.Kind == kindSpot {
		return in.QuoteCurrency
	}
	return in.SettlementCurrency
}

// profit is what an amount bought at one price and sold at another earns, in the payer's currency.
func (in *instrument) profit(amount, bought, sold float64) float64 {
	if in.linear() || in.Kind == kindOption {
		return amount * (sold - bought)
	}
	return amount * (1/bought - 1/sold)
}

// settle books an execution: money for spot, else the position. It returns the profit that the execution realised.
func (a *account) settle(in *instrument, s side, lots int64, price, fee float64) float64 {
	amount := float64(s) * in.lot.value(lots)
	a.balances[in.payer()] -= fee
	if in.Kind == kindSpot {
		a.balances[in.BaseCurrency] += amount
		a.balances[in.QuoteCurrency] -= amount * price
		return 0
	}
	p, ok := a.positions[in.Name]
	if !ok {
		p = &position{in: in}
		a.positions[in.Name] = p
	}
	earned := p.trade(int64(s)*lots, price)
	a.balances[in.payer()] += earned
	return earned
}

// trade changes a position by signed lots, and returns the profit that this realised.
func (p *position) trade(lots int64, price float64) float64 {
	var earned float64
	if closing := min(abs(lots), abs(p.lots)); p.lots*lots < 0 {
		amount := math.Copysign(p.in.lot.value(closing), float64(p.lots))
		earned = p.in.profit(amount, p.cost, price)
		p.realized += earned
	}
	held := p.lots
	p.lots += lots
	switch {
	case p.lots == 0:
		p.cost = 0
	case held*lots < 0 && abs(lots) <= abs(held): // reduced: the cost stays
	case held*p.lots <= 0: // opened or turned
		p.cost = price
	default:
		p.cost = p.in.average(float64(abs(held)), p.cost, float64(abs(lots)), price)
	}
	return earned
}

// average is the price of two amounts together. Amounts in money add up in the base currency, hence the harmonic mean.
func (in *instrument) average(a, priceA, b, priceB float64) float64 {
	if in.linear() || in.Kind == kindOption {
		return (a*priceA + b*priceB) / (a + b)
	}
	return (a + b) / (a/priceA + b/priceB)
}

func abs(n int64) int64 { return max(n, -n) }

// floating is the profit that is not realised.
func (p *position) floating() float64 {
	if p.lots == 0 {
		return 0
	}
	return p.in.profit(p.in.lot.value(p.lots), p.cost, p.in.mark)
}

// margin is what a position binds.
func (p *position) margin() float64 {
	switch {
	case p.lots == 0:
		return 0
	case p.in.Kind == kindOption && p.lots > 0:
		return p.in.lot.value(p.lots) * p.cost
	case p.in.Kind == kindOption:
		return p.in.optionMargin(p.lots)
	}
	return p.in.notional(p.in.lot.value(abs(p.lots)), p.in.mark) / float64(p.in.MaxLeverage)
}

// optionMargin is what a short option binds: 15 percent of the underlying.
func (in *instrument) optionMargin(lots int64) float64 {
	return 0.15 * in.lot.value(max(-lots, 0))
}

// margin is what an order binds, and in which currency.
func (o *order) margin() (currency string, amount float64) {
	in := o.in
	size, at := in.lot.value(o.left()), in.tick.value(o.ticks)
	switch {
	case o.reduceOnly:
		return in.payer(), 0
	case in.Kind == kindSpot && o.side == sell:
		return in.BaseCurrency, size
	case in.Kind == kindSpot:
		return in.QuoteCurrency, size * at
	case in.Kind == kindOption && o.side == buy:
		return in.payer(), size * at
	case in.Kind == kindOption:
		return in.payer(), in.optionMargin(-o.left())
	}
	return in.payer(), in.notional(size, at) / float64(in.MaxLeverage)
}

// funds are an account's figures in one currency.
type funds struct {
	balance, floating, options, bound, ordered, delta float64
}

func (f funds) equity() float64    { return f.balance + f.floating }
func (f funds) available() float64 { return f.equity() - f.bound - f.ordered }

// funds adds up the figures of a currency.
func (a *account) funds(currency string) funds {
	f := funds{balance: a.balances[currency]}
	for _, p := range a.positions {
		if p.in.payer() != currency || p.lots == 0 {
			continue
		}
		f.floating += p.floating()
		f.bound += p.margin()
		f.delta += p.delta()
		if p.in.Kind == kindOption {
			f.options += p.in.lot.value(p.lots) * p.in.mark
		}
	}
	for _, o := range a.open {
		if c, bound := o.margin(); c == currency {
			f.ordered += bound
		}
	}
	return f
}

// delta is the position in terms of the base currency.
func (p *position) delta() float64 {
	size := p.in.lot.value(p.lots)
	switch {
	case p.in.Kind == kindOption:
		return size * p.in.value.delta
	case p.in.linear():
		return size
	}
	return size / p.in.mark
}
