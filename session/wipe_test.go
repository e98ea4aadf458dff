package session_test

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// keeper is a Dialer whose connections keep the very memory in which a secret crosses them. Other frames are not kept: their
// memory is used again.
type keeper struct {
	rpc.Dialer

	mu     sync.Mutex // protects frames
	frames [][]byte
}

type keptTransport struct {
	rpc.Transport
	keeper *keeper
}

// Dial implements rpc.Dialer.
func (k *keeper) Dial(ctx context.Context, cfg rpc.DialConfig) (rpc.Transport, error) {
	t, err := k.Dialer.Dial(ctx, cfg)
	return &keptTransport{t, k}, err
}

// WriteMessages implements rpc.Transport.
func (t *keptTransport) WriteMessages(msgs ...[]byte) error {
	t.keeper.keep(msgs...)
	return t.Transport.WriteMessages(msgs...)
}

// ReadMessage implements rpc.Transport.
func (t *keptTransport) ReadMessage() ([]byte, error) {
	msg, err := t.Transport.ReadMessage()
	t.keeper.keep(msg)
	return msg, err
}

func (k *keeper) keep(msgs ...[]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, msg := range msgs {
		if holdsCanary(msg) {
			k.frames = append(k.frames, msg)
		}
	}
}

func holdsCanary(frame []byte) bool { return bytes.Contains(frame, []byte("0xC0FFEE")) }

// TestSecretsAreWipedFromFrames looks, once the session is ready, at the memory in which the secret and the tokens have
// crossed the wire.
func TestSecretsAreWipedFromFrames(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	k := &keeper{Dialer: f}
	cfg := scripted(f)
	cfg.Dialer, cfg.Grant = k, session.GrantCredentials
	dial(t, cfg)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.frames) != 2 {
		t.Errorf("%d frames with a secret, want a request and its reply", len(k.frames))
	}
	for _, frame := range k.frames {
		if holdsCanary(frame) {
			t.Error("a frame still holds a secret")
		}
	}
}
