package session

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Parsers and tables.
var (
	AppendString     = appendString
	AskedScope       = askedScope
	MissingScope     = missingScope
	CheckURL         = checkURL
	Classify         = classify
	Sensitive        = sensitive
	KindName         = kindName
	IsPrivateChannel = isPrivateChannel
	IsBookWithChain  = isBookWithChain
	ChangeIDs        = changeIDs
	Frameful         = frameful
	NewBucket        = newBucket
)

// Limits of the exchange that tests compare with.
const (
	Redacted    = redacted
	MaxFrame    = maxFrame
	MaxChannels = maxChannels
)

// LaneOf is the lane of a method.
func LaneOf(c Config, method string) rpc.Lane { return c.laneOf(method) }

// SignatureOf is the signature that authenticates creds.
func SignatureOf(ctx context.Context, creds Credentials, now time.Time, nonce string) (string, error) {
	params, err := signed(ctx, creds, "", stamp{now.UnixMilli(), nonce})
	return params.Signature, err
}

// NewNonce is a nonce for a signature.
func NewNonce() string { return newStamp().nonce }

// CredentialsParams are the params that send the secret itself.
func CredentialsParams(creds Credentials, scope string) rpc.Appender {
	return credentialsParams{creds, scope}
}

// Token is the exchange's answer to public/auth.
type Token = token

// LifeOf is how long a token is good for.
func LifeOf(t Token) time.Duration { return t.life() }

// Chain follows the change ids of a book.
type Chain struct{ c chain }

// Places in a chain.
const (
	Follows  = follows
	Begins   = begins
	Resumes  = resumes
	Leaps    = leaps
	Breaks   = breaks
	Orphaned = orphaned
	Withheld = withheld
)

// Follow notes a message and says where it stands.
func (c *Chain) Follow(data []byte) place { return c.c.follow(data) }

// Forget has the chain begin with the next message.
func (c *Chain) Forget() { c.c.forget() }

// Ask notes that a snapshot was asked for.
func (c *Chain) Ask() { c.c.asked.Store(true) }

// State is what the chain has seen.
func (c *Chain) State() (last int64, snapshots, breaks uint64) {
	return c.c.last.Load(), c.c.snapshots.Load(), c.c.breaks.Load()
}

// Chunks is how names are spread over frames.
func Chunks(names []string) iter.Seq2[string, []string] {
	return chunks(names, methodSubscribePrivate, methodSubscribePublic)
}

// Take takes one from the bucket if there is one.
func (b *bucket) Take(now time.Time) bool { return b.take(now) }

// Reserve takes one and returns how long to wait for it.
func (b *bucket) Reserve(now time.Time) time.Duration { return b.reserve(now) }

// Wait takes one in its turn.
// TakeOpen takes one from the bucket if the exchange has one for sure, nil if not.
func (b *bucket) TakeOpen(now time.Time) (counted func(time.Time)) {
	n, _, _ := b.takeOpen(now)
	if n == 0 {
		return nil
	}
	return credit{b, n}.counted
}

// Wait waits for one, and returns what to call when it is counted.
func (b *bucket) Wait(ctx context.Context) (counted func(time.Time), err error) {
	c, err := b.wait(ctx)
	return c.counted, err
}

// Ring is the buffer of one subscription, with the entry that its consumer holds.
type Ring struct {
	ring  *ring
	entry entry
	kind  kind
}

// NewRing returns an empty ring.
func NewRing(policy Policy, size, maxBytes int) *Ring {
	return &Ring{ring: newRing(policy, size, maxBytes)}
}

// Channel makes a channel whose notifications can be pushed.
func (r *Ring) Channel(name string) *RingChannel {
	return &RingChannel{r, newChannel(name, &r.kind, nil)}
}

// RingChannel pushes the notifications of a channel.
type RingChannel struct {
	ring    *Ring
	channel *channel
}

// Push adds a notification.
func (c *RingChannel) Push(epoch uint64, data []byte) {
	c.ring.ring.push(c.channel, Notification{Channel: c.channel.name, Data: data, Epoch: epoch})
}

// Gap adds a gap marker.
func (r *Ring) Gap(gap *GapError) { r.ring.gap(gap) }

// Notice adds a notice.
func (r *Ring) Notice(err error) { r.ring.notice(err) }

// Close ends the stream.
func (r *Ring) Close(err error) { r.ring.close(err) }

// Take waits for the next entry.
func (r *Ring) Take(ctx context.Context) (Notification, error, bool) {
	ok := r.ring.take(ctx, &r.entry)
	return r.entry.notification(), r.entry.err, ok
}

// TakeNow takes the next entry if there is one; at the stream's end it returns its error.
func (r *Ring) TakeNow() (Notification, error, bool) {
	ok, ended := r.ring.poll(&r.entry)
	if !ok && !ended {
		return Notification{}, nil, false
	}
	return r.entry.notification(), r.entry.err, ok
}

// Waiting yields what the stream of a subscription holds now.
func Waiting(sub *Subscription) iter.Seq2[Notification, error] {
	return func(yield func(Notification, error) bool) {
		var e entry
		for {
			ok, ended := sub.ring.poll(&e)
			if !ok && (!ended || errors.Is(e.err, ErrUnsubscribed)) {
				return
			}
			if !yield(e.notification(), e.err) || ended {
				return
			}
		}
	}
}

// Held is how many entries and bytes the ring holds, and how many notifications it has dropped.
func (r *Ring) Held() (entries, bytes int, dropped uint64) {
	r.ring.mu.Lock()
	defer r.ring.mu.Unlock()
	return r.ring.n, r.ring.bytes, r.kind.dropped.Load()
}

// Registry is a session's registry of channels.
type Registry struct {
	r *registry
	s *Session
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	r := newRegistry(func() {})
	return &Registry{r, &Session{subs: r}}
}

// Add makes a subscription with a ring a sink of names.
func (r *Registry) Add(names ...string) (*RegistrySub, error) {
	sub := &Subscription{host: r.s, names: names, returned: true, ring: newRing(DropOldest, 64, 1<<20)}
	return &RegistrySub{r.r, sub}, r.r.add(sub)
}

// RegistrySub is a sink of a registry.
type RegistrySub struct {
	r   *registry
	sub *Subscription
}

// Drop takes the sink off names and returns those that nobody wants any more.
func (s *RegistrySub) Drop(names ...string) []string { return s.r.drop(s.sub, names) }

// Names are what the sink still has.
func (s *RegistrySub) Names() []string { return s.sub.Channels() }

// Err is why the sink ended.
func (s *RegistrySub) Err() error { return s.sub.Err() }

// Waiting yields what the sink's stream holds now.
func (s *RegistrySub) Waiting() iter.Seq2[Notification, error] { return Waiting(s.sub) }

// Stream is the sink's stream.
func (s *RegistrySub) Stream(ctx context.Context) iter.Seq2[Notification, error] {
	return s.sub.Notifications(ctx)
}

// Tap adds a handler to a channel.
func (r *Registry) Tap(name string, fn func(Notification)) (remove func()) { return r.r.tap(name, fn) }

// Deliver routes a notification.
func (r *Registry) Deliver(epoch uint64, params string) {
	r.r.deliver(epoch, &rpc.Notification{Params: []byte(params)})
}

// Confirm notes what the exchange accepted.
func (r *Registry) Confirm(epoch uint64, names ...string) { r.r.confirm(epoch, names, r.r.moment()) }

// Unconfirmed are the desired channels that epoch has not confirmed.
func (r *Registry) Unconfirmed(epoch uint64) []string { return r.r.unconfirmed(epoch) }

// Refuse takes channels off every sink.
func (r *Registry) Refuse(names ...string) { r.r.refuse(names, nil) }

// Lost marks a gap in every sink that epoch fed.
func (r *Registry) Lost(epoch uint64) { r.r.lost(epoch) }

// End ends every sink.
func (r *Registry) End(err error) { r.r.end(err) }

// Messages counts what came on the channels of a kind.
func (r *Registry) Messages(kind string) uint64 {
	_, kinds := r.r.stats()
	for _, k := range kinds {
		if k.Kind == kind {
			return k.Messages
		}
	}
	return 0
}

// Len is how many channels the registry remembers.
func (r *Registry) Len() int { return len(r.r.all()) }

// Kept is how many bytes of memory the ring holds, in use or not.
func (r *Ring) Kept() int {
	r.ring.mu.Lock()
	defer r.ring.mu.Unlock()
	kept := 0
	for _, e := range r.ring.entries {
		kept += cap(e.data)
	}
	return kept
}

// Conn returns a connection over t whose notifications go to the registry.
func (r *Registry) Conn(t rpc.Transport) *rpc.Conn {
	l := &link{session: r.s, epoch: 1}
	return rpc.NewConn(t, rpc.Config{Handler: l.handle})
}

// AddHandler makes a subscription with an inline handler a sink of names.
func (r *Registry) AddHandler(handler func(Notification), names ...string) error {
	return r.r.add(&Subscription{host: r.s, names: names, returned: true, handler: handler})
}

// Index is a table of channels.
type Index struct{ x *index }

// NewIndex returns an empty index.
func NewIndex() *Index { return &Index{newIndex()} }

// Add adds a channel whose name is not there.
func (x *Index) Add(name string) { x.x.add(newChannel(name, nil, nil)) }

// Remove removes a channel that is there.
func (x *Index) Remove(name string) { x.x.remove(x.x.find([]byte(name))) }

// Find returns the name of the channel that is found.
func (x *Index) Find(name []byte) (string, bool) {
	if ch := x.x.find(name); ch != nil {
		return ch.name, true
	}
	return "", false
}

// Names are those of all channels.
func (x *Index) Names() []string {
	var names []string
	for ch := range x.x.all() {
		names = append(names, ch.name)
	}
	return names
}

// Used is how many slots are not empty, and what the index takes that number for.
func (x *Index) Used() (used, counted uint64) {
	slots := x.x.table.Load().slots
	for i := range slots {
		if slots[i].Load() != nil {
			used++
		}
	}
	return used, x.x.used
}

// Slots is the size of the index's table.
func (x *Index) Slots() uint64 { return x.x.table.Load().mask + 1 }

// InSeam has f called when it is its turn at the session's seam, and reports whether there is one.
func InSeam(s *Session, f func()) bool {
	x := s.subs.seam.Load()
	if x != nil {
		x.in(f)
	}
	return x != nil
}

// MaxTurned is how many messages may wait for their turn.
const MaxTurned = maxTurned

// Served is how many books the exchange has confirmed over the connection that serves.
func (s *Session) Served() int {
	served := &s.live.Load().served
	served.mu.Lock()
	defer served.mu.Unlock()
	return len(served.books)
}
