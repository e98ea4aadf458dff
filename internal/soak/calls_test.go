package main_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	main "github.com/holdfast-ws/holdfast/internal/soak"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

func TestCallsEndOnce(t *testing.T) {
	keeps(t, main.Calls{Count: 20_000, Cut: 1000, Callers: 16})
}

// faulty is a transport that does something to what passes.
type faulty struct {
	rpc.Transport
	read  func([]byte) []byte
	write func(write func(...[]byte) error, msgs [][]byte) error
}

// ReadMessage implements [rpc.Transport].
func (f faulty) ReadMessage() ([]byte, error) {
	msg, err := f.Transport.ReadMessage()
	if f.read != nil {
		msg = f.read(msg)
	}
	return msg, err
}

// WriteMessages implements [rpc.Transport].
func (f faulty) WriteMessages(msgs ...[]byte) error {
	if f.write == nil {
		return f.Transport.WriteMessages(msgs...)
	}
	return f.write(f.Transport.WriteMessages, msgs)
}

type faultyDialer struct{ faulty }

// Dial implements [rpc.Dialer].
func (d faultyDialer) Dial(ctx context.Context, cfg rpc.DialConfig) (rpc.Transport, error) {
	t, err := leanws.Dialer{}.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	d.Transport = t
	return d.faulty, nil
}

func TestCallsFindFaults(t *testing.T) {
	for what, fault := range map[string]faulty{
		"mismatched": {read: func(msg []byte) []byte {
			return bytes.ReplaceAll(msg, []byte(`"label":"caller-1-`), []byte(`"label":"caller-2-`))
		}},
		"refused": {write: func(write func(...[]byte) error, msgs [][]byte) error {
			for i, msg := range msgs {
				msgs[i] = bytes.ReplaceAll(msg, []byte(`"method":"public/ticker"`), []byte(`"method":"public/ticket"`))
			}
			return write(msgs...)
		}},
		"missing": {write: func(write func(...[]byte) error, msgs [][]byte) error { // and never answered
			var kept [][]byte
			for _, msg := range msgs {
				if !bytes.Contains(msg, []byte("caller-1-0")) {
					kept = append(kept, msg)
				}
			}
			return write(kept...)
		}},
		"orders resent": {write: func(write func(...[]byte) error, msgs [][]byte) error {
			for _, msg := range msgs {
				again := bytes.Replace(msg, []byte(`"id":`), []byte(`"id":77`), 1)
				if err := write(msg); err != nil || !bytes.Contains(msg, []byte("private/buy")) {
					return err
				}
				if err := write(again); err != nil {
					return err
				}
			}
			return nil
		}},
		"answers to nothing": {write: func(write func(...[]byte) error, msgs [][]byte) error {
			for _, msg := range msgs {
				if err := write(msg); err != nil {
					return err
				}
				if bytes.Contains(msg, []byte("public/ticker")) {
					if err := write(msg); err != nil {
						return err
					}
				}
			}
			return nil
		}},
	} {
		t.Run(what, func(t *testing.T) {
			// Nothing is cut: a call whose connection is cut ends as unknown, whatever else befell it.
			m := main.Calls{Count: 400, Cut: 1 << 30, Callers: 4, Timeout: 2 * time.Second}
			e := main.Env{Dialer: faultyDialer{fault}, Patience: time.Second}
			r, err := main.Run(m, t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			isBroken(t, r, what)
		})
	}
}

func TestHold(t *testing.T) {
	for _, c := range []struct {
		outcome  string
		executed int
		wants    string // what is wrong
	}{
		{"answered", 1, ""},
		{"answered", 0, "missing"},
		{"answered", 2, "resent"},
		{"refused", 0, ""},
		{"refused", 1, "denied"},
		{"not sent", 0, ""},
		{"not sent", 1, "denied"},
		{"not sent", 2, "resent"},
		{"unknown", 0, ""},
		{"unknown", 1, ""},
		{"unknown", 2, "resent"},
	} {
		if got := main.Hold(c.outcome, c.executed); got != c.wants {
			t.Errorf("%s, executed %d times: %q, want %q", c.outcome, c.executed, got, c.wants)
		}
	}
}
