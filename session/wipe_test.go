package session_test

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// keeper is a Dialer whose connections keep the very memory of what crosses them.
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
	k.frames = append(k.frames, msgs...)
}

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
	if len(k.frames) < 2 || f.count("public/auth") != 1 {
		t.Fatalf("%d frames, %d authentications", len(k.frames), f.count("public/auth"))
	}
	for _, frame := range k.frames {
		if bytes.Contains(frame, []byte("0xC0FFEE")) {
			t.Errorf("a frame still holds a secret")
		}
	}
}
