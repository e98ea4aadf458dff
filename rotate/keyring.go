package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/holdfast-ws/holdfast/session"
)

// ErrStaleGeneration refuses to publish credentials that are not newer than the current ones.
var ErrStaleGeneration = errors.New("rotate: keyring: the generation is not newer than the current one")

// Keyring is the credential source that the sessions of one key share. It is safe for concurrent use.
//
// It has a gate: while a reset is under way Credentials waits, for neither the old secret nor the new one can be relied on.
type Keyring struct {
	mu        sync.Mutex // protects the fields below
	current   session.Credentials
	gate      chan struct{} // nil while open; closed when it opens
	expecting bool          // the current secret works, but a reset may yet end it
	changed   chan struct{} // closed when one of these changes, and replaced; nil while nobody waits
	listeners []*listener
}

// listener is told of generations by whoever finds it idle, outside the lock.
type listener struct {
	fn      func(session.Credentials)
	pending []session.Credentials // protected by Keyring.mu, as the fields below
	busy    bool                  // somebody is calling fn, and will look at pending again
	gone    bool
}

var _ session.NewerSource = (*Keyring)(nil)

// NewKeyring returns a keyring with its first credentials. Their generation counts from 1: 0 is raised to it.
func NewKeyring(c session.Credentials) *Keyring {
	c.Generation = max(c.Generation, 1)
	return &Keyring{current: c}
}

// Credentials returns the current credentials. While a rotation's outcome is open it waits, until that is known or ctx
// ends; then it returns ctx's error.
func (k *Keyring) Credentials(ctx context.Context) (session.Credentials, error) {
	for {
		k.mu.Lock()
		current, gate := k.current, k.gate
		k.mu.Unlock()
		if gate == nil {
			return current, nil
		}
		select {
		case <-gate:
		case <-ctx.Done():
			return session.Credentials{}, fmt.Errorf("rotate: keyring: waiting for a rotation: %w", ctx.Err())
		}
	}
}

// Newer returns credentials of a later generation than the one that the exchange has refused, as soon as there are any. If none are
// expected it returns the current ones. It waits while a rotation's outcome is open, or a reset that was never answered may yet
// be executed, until ctx ends; then it returns ctx's error.
func (k *Keyring) Newer(ctx context.Context, refused uint64) (session.Credentials, error) {
	for {
		k.mu.Lock()
		current, waiting := k.current, k.gate != nil || k.expecting && k.current.Generation <= refused
		if waiting && k.changed == nil {
			k.changed = make(chan struct{})
		}
		changed := k.changed
		k.mu.Unlock()
		if !waiting {
			return current, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return session.Credentials{}, fmt.Errorf("rotate: keyring: waiting for a rotation: %w", ctx.Err())
		}
	}
}

// expect says whether a reset may yet end the current secret.
func (k *Keyring) expect(reset bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expecting = reset
	k.turnLocked()
}

// turnLocked wakes who waits for a change.
func (k *Keyring) turnLocked() {
	if k.changed != nil {
		close(k.changed)
		k.changed = nil
	}
}

// Current returns the current credentials without waiting at the gate.
func (k *Keyring) Current() session.Credentials {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// Publish makes c the current credentials and tells the listeners. It refuses with [ErrStaleGeneration] what is not newer. It
// does not open the gate of a rotation under way.
func (k *Keyring) Publish(c session.Credentials) error {
	k.mu.Lock()
	listeners, err := k.publishLocked(c)
	k.mu.Unlock()
	k.tell(listeners...)
	return err
}

// publishAndOpen lets those who wait at the gate have c before the listeners are told, for these may take their time.
func (k *Keyring) publishAndOpen(c session.Credentials) {
	k.mu.Lock()
	listeners, err := k.publishLocked(c)
	k.openLocked()
	k.mu.Unlock()
	if err == nil { // else a person has published newer ones
		k.tell(listeners...)
	}
}

// publishLocked returns the listeners to tell.
func (k *Keyring) publishLocked(c session.Credentials) ([]*listener, error) {
	if c.Generation <= k.current.Generation {
		return nil, fmt.Errorf("%w: %d after %d", ErrStaleGeneration, c.Generation, k.current.Generation)
	}
	k.current = c
	k.turnLocked()
	for _, l := range k.listeners {
		l.pending = append(l.pending, c)
	}
	return slices.Clone(k.listeners), nil
}

// Subscribe calls fn with the current credentials, at once, and with each new generation, in order and never under a lock:
// one call at a time, on the goroutine of some Subscribe or Publish. fn may call the Keyring, but should be quick. After
// unsubscribe has returned no further call begins.
func (k *Keyring) Subscribe(fn func(session.Credentials)) (unsubscribe func()) {
	l := &listener{fn: fn}
	k.mu.Lock()
	l.pending = append(l.pending, k.current)
	k.listeners = append(k.listeners, l)
	k.mu.Unlock()
	k.tell(l)
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		l.gone = true
		k.listeners = slices.DeleteFunc(k.listeners, func(other *listener) bool { return other == l })
	}
}

// tell hands each listener what is pending, unless somebody else is at it.
func (k *Keyring) tell(listeners ...*listener) {
	for _, l := range listeners {
		if !k.claim(l) {
			continue
		}
		for {
			c, ok := k.next(l)
			if !ok {
				break
			}
			l.fn(c)
		}
	}
}

func (k *Keyring) claim(l *listener) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.busy {
		return false
	}
	l.busy = true
	return true
}

// next takes the next of a claimed listener's credentials, and gives up the claim if there are none.
func (k *Keyring) next(l *listener) (session.Credentials, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.gone || len(l.pending) == 0 {
		l.busy = false
		return session.Credentials{}, false
	}
	c := l.pending[0]
	l.pending = l.pending[1:]
	return c, true
}

// shut makes Credentials wait.
func (k *Keyring) shut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gate == nil {
		k.gate = make(chan struct{})
	}
}

// open lets those go on that wait.
func (k *Keyring) open() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.openLocked()
}

func (k *Keyring) openLocked() {
	if k.gate != nil {
		close(k.gate)
		k.gate = nil
		k.turnLocked()
	}
}
