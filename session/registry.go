package session

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// registry knows the channels of a session: who wants them, and what the exchange has confirmed.
type registry struct {
	channels *index // changes under mu
	mend     func() // is called when a book may be owed a snapshot; must not wait
	unrouted atomic.Uint64

	seam    atomic.Pointer[seam] // while one connection follows another without a break, else nil
	serving atomic.Uint64        // connections of lesser epochs have been left: what they still bring is a repetition

	mu    sync.Mutex // protects the fields below, and those of the channels that say so
	live  map[*Subscription]bool
	added uint64 // how many subscriptions there have been
	kinds map[string]*kind
	ended error
}

func newRegistry(mend func()) *registry {
	return &registry{channels: newIndex(), mend: mend, live: map[*Subscription]bool{}, kinds: map[string]*kind{}}
}

// add makes sub a sink of its channels. The channels are desired from now on.
func (r *registry) add(sub *Subscription) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != nil {
		return r.ended
	}
	r.live[sub] = true
	r.added++
	sub.alone.sinks = sub.itself[:]
	sub.itself[0] = sub
	for _, name := range sub.names {
		ch := r.channelLocked(name)
		if !ch.isDesired() {
			ch.since = r.added
		}
		ch.addSinkLocked(sub)
	}
	return nil
}

// drop takes sub off names and returns those of them that nobody wants any more.
func (r *registry) drop(sub *Subscription, names []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var unwanted []string
	for _, name := range names {
		ch := r.find(name)
		if ch == nil || !ch.dropSinkLocked(sub) {
			continue
		}
		if !ch.isDesired() {
			ch.confirmed.Store(0)
			unwanted = append(unwanted, name)
		}
		r.forgetLocked(ch)
	}
	dropped := set(names)
	sub.names = slices.DeleteFunc(slices.Clone(sub.names), func(n string) bool { return dropped[n] })
	if len(sub.names) == 0 {
		delete(r.live, sub)
	}
	return unwanted
}

// tap adds a handler to a channel and returns the function that removes it.
func (r *registry) tap(name string, fn func(Notification)) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ch := r.channelLocked(name)
	t := &tap{fn}
	ch.addTapLocked(t)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		ch.dropTapLocked(t)
		r.forgetLocked(ch)
	}
}

func (r *registry) channelLocked(name string) *channel {
	ch := r.find(name)
	if ch == nil {
		ch = newChannel(name, r.kindLocked(kindName(name)), r.mend)
		r.channels.add(ch)
	}
	return ch
}

func (r *registry) kindLocked(name string) *kind {
	k := r.kinds[name]
	if k == nil {
		k = &kind{name: name}
		r.kinds[name] = k
	}
	return k
}

// forgetLocked removes a channel that nobody listens to.
func (r *registry) forgetLocked(ch *channel) {
	if ch.isIdle() && r.find(ch.name) == ch {
		r.channels.remove(ch)
		ch.kind.forgotten += ch.received.Load()
	}
}

// find returns the channel of that name, nil if nobody listens to it.
func (r *registry) find(name string) *channel { return r.channels.find([]byte(name)) }

// asking notes, until done is called, that somebody asks for channels who is told if the exchange refuses them.
func (r *registry) asking(names []string) (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var asked []*channel
	for _, name := range names {
		if ch := r.find(name); ch != nil {
			ch.asking++
			asked = append(asked, ch)
		}
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, ch := range asked {
			ch.asking--
		}
	}
}

// unconfirmed returns the desired channels that epoch has not confirmed, private ones first, in stable order: all but those that no
// connection has confirmed yet and that somebody asks for.
func (r *registry) unconfirmed(epoch uint64) []string {
	r.mu.Lock()
	var names []string
	for ch := range r.channels.all() {
		isNew := ch.confirmed.Load() == 0 && ch.asking > 0
		if ch.isDesired() && ch.confirmed.Load() != epoch && !isNew {
			names = append(names, ch.name)
		}
	}
	r.mu.Unlock()
	slices.SortFunc(names, func(a, b string) int {
		if pa, pb := isPrivateChannel(a), isPrivateChannel(b); pa != pb {
			if pa {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return names
}

// missing returns those of names that are desired and that epoch has not confirmed.
func (r *registry) missing(epoch uint64, names []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var missing []string
	for _, name := range names {
		if ch := r.find(name); ch != nil && ch.isDesired() && ch.confirmed.Load() != epoch {
			missing = append(missing, name)
		}
	}
	return missing
}

// moment is how many subscriptions there have been.
func (r *registry) moment() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.added
}

// confirm notes what the exchange, asked at a moment, accepted on the connection of epoch. A book that somebody has come to have since
// then is not confirmed: its snapshot may have gone to who had it before.
func (r *registry) confirm(epoch uint64, names []string, asked uint64) {
	isOwed := false
	r.mu.Lock()
	now := time.Now()
	for _, name := range names {
		// A caller may come late with what an earlier connection confirmed.
		ch := r.find(name)
		if ch == nil || !ch.isDesired() || ch.confirmed.Load() > epoch || ch.chain.isBook && ch.since > asked {
			continue
		}
		ch.confirmed.Store(epoch)
		ch.chain.vacant.Store(false)
		ch.sure = now
		isOwed = isOwed || ch.chain.broken.Load()
	}
	r.mu.Unlock()
	if isOwed {
		r.mend()
	}
}

// unwanted returns those of names that nobody is subscribed to.
func (r *registry) unwanted(names []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var unwanted []string
	for _, name := range names {
		if ch := r.find(name); ch == nil || !ch.isDesired() {
			unwanted = append(unwanted, name)
		}
	}
	return unwanted
}

// ask notes that the exchange is asked for snapshots of books.
func (r *registry) ask(names []string) {
	for _, name := range names {
		if ch := r.find(name); ch != nil {
			ch.chain.asked.Store(true)
			ch.chain.vacant.Store(true)
		}
	}
}

// isLate reports whether some of names are books whose snapshots came before a subscription to them, or may have.
func (r *registry) isLate(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		ch := r.find(name)
		return ch != nil && len(ch.listeners.Load().late) > 0
	})
}

// postpone has sub wait for the next snapshot of a book, and reports whether the book is one of sub's.
func (r *registry) postpone(sub *Subscription, name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ch := r.find(name)
	if ch == nil || !ch.chain.isBook || !slices.Contains(sub.names, name) {
		return false
	}
	ch.postponeLocked(sub)
	return true
}

// wanted returns those of names that somebody is subscribed to.
func (r *registry) wanted(names []string) []string {
	unwanted := set(r.unwanted(names))
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return unwanted[n] })
}

// refuse takes channels that the exchange did not accept off every subscription, and tells each.
func (r *registry) refuse(names []string, err error) {
	refused := set(names)
	for _, sub := range r.subscriptions() {
		mine := slices.DeleteFunc(sub.Channels(), func(n string) bool { return !refused[n] })
		if len(mine) > 0 {
			r.drop(sub, mine)
			sub.refused(&SubscribeError{Refused: mine, Err: err})
		}
	}
}

func set(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// lost marks a gap in every subscription that the connection of epoch may have fed, or others that went with it.
func (r *registry) lost(epoch uint64, others ...uint64) {
	for _, sub := range r.fed(append(others, epoch), func(string) bool { return true }) {
		sub.gap(&GapError{Reason: GapReconnect, Epoch: epoch})
	}
}

// carryOver has what a connection has brought count as another one's.
func (r *registry) carryOver(from, to uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ch := range r.channels.all() {
		ch.epoch.CompareAndSwap(from, to)
	}
}

// confirmedOver are the channels that the connection of epoch has confirmed.
func (r *registry) confirmedOver(epoch uint64) map[*channel]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	confirmed := map[*channel]bool{}
	for ch := range r.channels.all() {
		if ch.confirmed.Load() == epoch {
			confirmed[ch] = true
		}
	}
	return confirmed
}

// giveBack has what a connection that is no more has confirmed count as the one before it had: what that had not confirmed, nobody has.
func (r *registry) giveBack(from, to uint64, had map[*channel]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ch := range r.channels.all() {
		if had[ch] {
			ch.confirmed.CompareAndSwap(from, to)
		} else {
			ch.confirmed.CompareAndSwap(from, 0)
		}
	}
}

// fed returns the subscriptions that connections of these epochs may have fed over channels of a kind, and counts the gap of each
// of these channels.
func (r *registry) fed(epochs []uint64, isOfKind func(name string) bool) []*Subscription {
	r.mu.Lock()
	defer r.mu.Unlock()
	var subs []*Subscription
	counted := map[*channel]bool{}
	for sub := range r.live {
		fed := false
		for _, name := range sub.names {
			ch := r.find(name)
			if ch == nil || !isOfKind(name) || !slices.Contains(epochs, ch.confirmed.Load()) && !slices.Contains(epochs, ch.epoch.Load()) {
				continue
			}
			fed = true
			if !counted[ch] {
				counted[ch] = true
				ch.gaps.Add(1)
			}
		}
		if fed {
			subs = append(subs, sub)
		}
	}
	return subs
}

// end ends every subscription, and refuses new ones.
func (r *registry) end(err error) {
	r.mu.Lock()
	r.ended = err
	r.mu.Unlock()
	for _, sub := range r.subscriptions() {
		sub.finish(err)
	}
}

func (r *registry) subscriptions() []*Subscription {
	r.mu.Lock()
	defer r.mu.Unlock()
	subs := make([]*Subscription, 0, len(r.live))
	for sub := range r.live {
		subs = append(subs, sub)
	}
	return subs
}

func (r *registry) all() []*channel {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(r.channels.all(), func(a, b *channel) int { return strings.Compare(a.name, b.name) })
}

func (r *registry) stats() (desired int, kinds []KindStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	messages := map[*kind]uint64{}
	for ch := range r.channels.all() {
		messages[ch.kind] += ch.received.Load()
		if ch.isDesired() {
			desired++
		}
	}
	for _, k := range r.kinds {
		kinds = append(kinds, KindStats{
			Kind: k.name, Messages: k.forgotten + messages[k], Dropped: k.dropped.Load(), Gaps: k.gaps.Load(),
		})
	}
	slices.SortFunc(kinds, func(a, b KindStats) int { return strings.Compare(a.Kind, b.Kind) })
	return desired, kinds
}
