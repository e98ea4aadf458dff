package rotate

import (
	"context"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// SetTry replaces the throwaway connection, which then can always be had.
func SetTry(r *Rotator, try func(context.Context, session.Credentials) error) {
	r.try, r.reach = try, func(context.Context) error { return nil }
}

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

// Edges is the transition table by name.
func Edges() map[string][]string {
	table := make(map[string][]string, len(edges))
	for from, to := range edges {
		names := []string{}
		for _, s := range to {
			names = append(names, s.String())
		}
		table[from.String()] = names
	}
	return table
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
