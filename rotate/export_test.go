package rotate

import (
	"context"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// Outside stands for a rotator's own connections.
type Outside struct {
	Try    func(context.Context, session.Credentials) error
	Mint   func(context.Context, session.Credentials, string) (session.Secret, error)
	Redeem func(context.Context, session.Secret) (Closer, session.Secret, error)
	Drop   func(context.Context, session.Secret) error
}

// Closer is an authority of a connection of its own.
type Closer = closer

type faked struct{ Outside }

func (f faked) reach(context.Context) error { return nil }

func (f faked) try(ctx context.Context, creds session.Credentials) error { return f.Try(ctx, creds) }

func (f faked) mint(ctx context.Context, creds session.Credentials, scope string) (session.Secret, error) {
	return f.Mint(ctx, creds, scope)
}

func (f faked) redeem(ctx context.Context, token session.Secret) (closer, session.Secret, error) {
	return f.Redeem(ctx, token)
}

func (f faked) drop(ctx context.Context, token session.Secret) error { return f.Drop(ctx, token) }

// SetOutside replaces the rotator's own connections.
func SetOutside(r *Rotator, o Outside) { r.outside = faked{o} }

// Shut shuts the gate as a reset does.
func (k *Keyring) Shut() { k.shut() }

// PublishAndOpen ends a reset.
func (k *Keyring) PublishAndOpen(c session.Credentials) { k.publishAndOpen(c) }

// IsShut reports whether Credentials waits.
func (k *Keyring) IsShut() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.gate != nil
}

// DecodeReset shows what decodeReset makes of a reply.
func DecodeReset(raw []byte) (key APIKey, challenged bool, odd, err error) {
	key, demand, odd, err := decodeReset(raw)
	return key, demand != nil, odd, err
}

// DecodeKeys shows what decodeKeys makes of a reply.
func DecodeKeys(raw []byte) (keys []APIKey, challenged bool, err error) {
	keys, demand, err := decodeKeys(raw)
	return keys, demand != nil, err
}

// Opens is the first moment in none of the windows.
func Opens(windows []Window, t time.Time) (time.Time, bool) { return opens(windows, t) }

// Performed reports whether the effect has somebody to perform it.
func Performed(e core.Effect) bool { return performers[e] != nil }

// Expect says whether a reset may yet end the current secret.
func (k *Keyring) Expect(reset bool) { k.expect(reset) }

// Receive appends a secret to a record.
func Receive(r *Record, c Candidate, id string, unanswered, now time.Time) {
	r.receive(c, id, unanswered, now)
}
