package session_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// TestHandoverThatFails cannot have the next connection, for each reason that there is: the session goes on over the one that it has,
// and nobody notices.
func TestHandoverThatFails(t *testing.T) {
	t.Parallel()
	second := func(act func(p *peer, r request)) func(p *peer, r request) {
		return func(p *peer, r request) {
			if p.number == 2 {
				act(p, r)
			} else {
				p.comply(r)
			}
		}
	}
	shut := second(func(p *peer, _ request) { p.close() })
	silent := second(func(*peer, request) {})
	for name, s := range map[string]script{
		"refused":                        {"public/auth": second(func(p *peer, r request) { p.refuse(r, 13004, "invalid_credentials") })},
		"closed at public/auth":          {"public/auth": shut},
		"closed at public/set_heartbeat": {"public/set_heartbeat": shut},
		"closed at public/subscribe":     {"public/subscribe": shut},
		"silent at public/auth":          {"public/auth": silent},
		"silent at public/subscribe":     {"public/subscribe": silent},
		"too many":                       {"public/subscribe": second(func(p *peer, r request) { p.refuse(r, 10028, "too_many_requests") })},
		"no dial":                        nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, s)
				f.refuse = func(attempt int) error {
					if name == "no dial" && attempt == 2 {
						return &rpc.HandshakeError{Status: 429}
					}
					return nil
				}
				session := dial(t, scripted(f))
				sub := subscribeTo(t, session, "ticker.A", "user.orders.any")
				old := f.last()
				old.notify("ticker.A", "1")
				if err := session.Reconnect(t.Context()); err == nil {
					t.Error("Reconnect is content")
				} else {
					t.Log(err)
				}
				synctest.Wait()
				old.notify("ticker.A", "2")
				old.notify("user.orders.any", "3")
				synctest.Wait()
				if !session.Ready() || session.Stats().Epoch != 1 {
					t.Errorf("ready %t, epoch %d", session.Ready(), session.Stats().Epoch)
				}
				if err := session.Call(t.Context(), "private/get_positions", nil, nil); err != nil {
					t.Error(err)
				}
				wantEntries(t, waiting(t, sub), "1 2 3")

				// A loss after it is told once.
				old.close()
				synctest.Wait()
				if err := session.WaitReady(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantEntries(t, waiting(t, sub), "reconnect/0")
			})
		})
	}
}

// TestHandoverFromALostConnection loses the old connection at each request of a handover: subscriptions are told once, and the session
// is ready again, over whichever connection there is by then.
func TestHandoverFromALostConnection(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"public/auth", "public/set_heartbeat", "public/subscribe", "first question", "second question"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				questions := 0
				f := newFar(t, nil)
				s := script{"public/test": func(p *peer, r request) {
					if p.number == 1 {
						questions++
					}
					if p.number == 1 && (at == "first question" && questions == 1 || at == "second question" && questions == 2) {
						p.close()
						return
					}
					p.comply(r)
				}}
				for _, method := range []string{"public/auth", "public/set_heartbeat", "public/subscribe"} {
					s[method] = func(p *peer, r request) {
						if p.number == 2 && method == at {
							f.all()[0].close()
						}
						p.comply(r)
					}
				}
				f.script = s
				session := dial(t, scripted(f))
				sub := subscribeTo(t, session, "ticker.A", "book.A.raw")
				f.last().notify("book.A.raw", `{"type":"snapshot","change_id":5}`)
				f.last().notify("ticker.A", "1")
				if err := session.Reconnect(t.Context()); err != nil || !session.Ready() || session.Stats().Epoch == 1 {
					t.Fatalf("Reconnect = %v, ready %t over connection %d: want it to wait for the next one", err, session.Ready(), session.Stats().Epoch)
				}
				synctest.Wait()
				f.last().notify("book.A.raw", `{"type":"snapshot","change_id":7}`)
				f.last().notify("ticker.A", "2")
				synctest.Wait()
				got := waiting(t, sub)
				wantEntries(t, got, `{"type":"snapshot","change_id":5} 1 reconnect/0 {"type":"snapshot","change_id":7} 2`)
			})
		})
	}
}

// TestHandoverFromAStalledConnection replaces a connection that has stopped answering: after CallTimeout the next one is used all the
// same, and subscriptions are told of what may be missing.
func TestHandoverFromAStalledConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		questions := 0
		f := newFar(t, script{"public/test": func(p *peer, r request) {
			if p.number == 1 {
				questions++
			}
			if p.number == 2 || questions == 1 {
				p.comply(r)
			}
		}})
		s := dial(t, scripted(f))
		sub := subscribeTo(t, s, "ticker.A")
		f.last().notify("ticker.A", "1")
		start := time.Now()
		if err := s.Reconnect(t.Context()); err != nil || time.Since(start) != 10*time.Second {
			t.Errorf("Reconnect = %v after %v, want nil after CallTimeout", err, time.Since(start))
		}
		f.all()[0].notify("ticker.A", "late")
		f.all()[1].notify("ticker.A", "2")
		synctest.Wait()
		wantEntries(t, waiting(t, sub), "1 reconnect/0 2")
	})
}

// TestSubscribeDuringAHandoverThatFails wants a channel while the next connection is subscribed, which confirms it and is lost: it is
// subscribed over the connection that goes on.
func TestSubscribeDuringAHandoverThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, hold := make(chan struct{}), make(chan struct{})
		first := true
		f := newFar(t, script{
			"public/test": func(p *peer, r request) {
				if p.number == 1 && first {
					first = false
					close(asked)
					<-hold
				}
				p.comply(r)
			},
			"public/subscribe": func(p *peer, r request) {
				if p.number == 2 {
					p.close()
					return
				}
				p.comply(r)
			},
		})
		s := dial(t, scripted(f))
		subscribeTo(t, s, "ticker.A")
		var beside sync.WaitGroup
		beside.Go(func() {
			if err := s.Reconnect(t.Context()); err == nil {
				t.Error("Reconnect is content")
			}
		})
		<-asked
		beside.Go(func() {
			sub := subscribeTo(t, s, "user.orders.any")
			f.all()[0].notify("user.orders.any", "1")
			synctest.Wait()
			wantEntries(t, waiting(t, sub), "1")
		})
		synctest.Wait()
		close(hold)
		beside.Wait()
		if got := f.requests(1); !slices.Contains(got, "private/subscribe") {
			t.Errorf("the connection that goes on saw %q", got)
		}
	})
}

// TestLossRightAfterHandover loses the connection that has taken over while the old one still waits for a call: one gap, and nothing of
// the old connection comes after it.
func TestLossRightAfterHandover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"private/buy": func(*peer, request) {}})
		s := dial(t, scripted(f))
		sub := subscribeTo(t, s, "ticker.A")
		old := f.last()
		var calling sync.WaitGroup
		calling.Go(func() {
			if err := s.Call(t.Context(), "private/buy", nil, nil); rpc.SafeToRetry(err) {
				t.Errorf("%v: it may have been executed", err)
			}
		})
		synctest.Wait()
		if err := s.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		old.notify("ticker.A", "1")
		synctest.Wait()
		f.last().close()
		synctest.Wait()
		calling.Wait()
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		old.notify("ticker.A", "late")
		f.last().notify("ticker.A", "2")
		synctest.Wait()
		wantEntries(t, waiting(t, sub), "1 reconnect/0 2")
		if n := s.Stats().Epoch; n != 3 {
			t.Errorf("%d connections", n)
		}
	})
}
