package peers

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

func TestEveryClientGetsTheAnswer(t *testing.T) {
	t.Parallel()
	url := wirepeer.Start(t).URL()
	want := ask(t, url)
	for _, client := range clients {
		t.Run(client.name, func(t *testing.T) {
			t.Parallel()
			c := client.dial(t, url)
			for name, newCall := range map[string]func() func() error{
				"raw":   func() func() error { return want.rawCall(c) },
				"typed": func() func() error { return want.typedCall(c) },
			} {
				const callers, calls = 8, 20
				if n, err := newHerd(callers, newCall).chunk(calls)(); n != callers*calls || err != nil {
					t.Errorf("%s: %d of %d calls, %v", name, n, callers*calls, err)
				}
			}
		})
	}
}

func TestEveryLibraryReadsTheSame(t *testing.T) {
	t.Parallel()
	peer := wirepeer.Start(t)
	all := tasks(t, peer)
	for _, library := range libraries {
		t.Run(library.name, func(t *testing.T) {
			t.Parallel()
			exchange := library.dial(t, peer.URL())
			for _, task := range all {
				for range 2 {
					if n, err := task.chunk(exchange)(); n != task.ops || err != nil {
						t.Errorf("%s: %d of %d, %v", task.name, n, task.ops, err)
					}
				}
			}
		})
	}
	for _, task := range all {
		t.Run("floor/"+task.name, func(t *testing.T) {
			t.Parallel()
			if n, err := task.floor(t)(); n != task.ops || err != nil {
				t.Errorf("%d of %d, %v", n, task.ops, err)
			}
		})
	}
}

func TestEveryCodecDecodesTheSame(t *testing.T) {
	t.Parallel()
	for _, doc := range documents(t) {
		for _, c := range codecs {
			t.Run(doc.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				if err := doc.check(c.codec); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestSessionTakesEveryCodec(t *testing.T) {
	t.Parallel()
	url := wirepeer.Start(t).URL()
	want := ask(t, url)
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := session.Dial(t.Context(), session.Config{URL: url, Codec: c.codec})
			if err != nil {
				t.Fatal(err)
			}
			got, err := rpc.Call[placed](t.Context(), s, "public/order", typedParams)
			if err == nil {
				err = want.checkTyped(&got)
			}
			if err != nil {
				t.Error(err)
			}
			if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestBenchmarkThatMeasuresNothingFails shows it for each way in which nothing can be measured.
func TestBenchmarkThatMeasuresNothingFails(t *testing.T) {
	t.Parallel()
	url := wirepeer.Start(t).URL()
	want, other := ask(t, url), ask(t, url+"?result=400")
	c := dialGoEthereum(t, url)
	silent := client{raw: func(*json.RawMessage) error { return nil }, typed: func(*placed) error { return nil }}
	herdOf := func(newCall func(client) func() error, c client) chunk {
		return newHerd(2, func() func() error { return newCall(c) }).chunk(3)
	}
	works := herdOf(want.rawCall, c)
	for name, broken := range map[string]chunk{
		"no call":         func() (int, error) { return 0, nil },
		"too few calls":   func() (int, error) { return 5, nil },
		"no raw result":   herdOf(want.rawCall, silent),
		"no typed result": herdOf(want.typedCall, silent),
		"wrong raw":       herdOf(other.rawCall, c),
		"wrong typed":     herdOf(other.typedCall, c),
	} {
		for role, r := range map[string]race{
			"subject": {subject: contender{6, broken}, rivals: []contender{{6, works}}},
			"rival":   {subject: contender{6, works}, rivals: []contender{{6, broken}}},
		} {
			if s, err := r.run(func() bool { return false }); err == nil {
				t.Errorf("%s as %s: got %+v", name, role, s)
			}
		}
	}
	s, err := race{subject: contender{6, works}, rivals: []contender{{6, works}}}.run(func() bool { return false })
	if err != nil || len(s.subject) != minRounds || len(s.rivals[0]) != minRounds || s.ratio(0) <= 0 {
		t.Errorf("with nothing broken: %+v, %v", s, err)
	}
}

// mortal is a test that can be ended before its time.
type mortal struct {
	testing.TB
	cleanups []func()
}

func (m *mortal) Cleanup(f func()) { m.cleanups = append(m.cleanups, f) }

func (m *mortal) end() {
	for _, f := range slices.Backward(m.cleanups) {
		f()
	}
}

// TestBenchmarkWithoutPeerFails ends the peer's process under every client, library and floor.
func TestBenchmarkWithoutPeerFails(t *testing.T) {
	t.Parallel()
	life := &mortal{TB: t}
	peer := wirepeer.Start(life)
	want := ask(t, peer.URL())
	chunks := map[string]chunk{}
	for _, client := range clients {
		c := client.dial(t, peer.URL())
		chunks[client.name] = newHerd(2, func() func() error { return want.rawCall(c) }).chunk(1)
	}
	for _, task := range tasks(t, peer) {
		chunks["floor of "+task.name] = task.floor(t)
		for _, library := range libraries {
			chunks[library.name+" "+task.name] = task.chunk(library.dial(t, peer.URL()))
		}
	}
	life.end()
	for name, c := range chunks {
		if n, err := c(); err == nil {
			t.Errorf("%s: %d operations without a peer", name, n)
		}
	}
}
