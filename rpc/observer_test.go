package rpc_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

type observerKey struct{}

type observed struct {
	ctx  context.Context
	call rpc.CallInfo
	end  rpc.CallEnd
}

// observer records what it is told.
type observer struct {
	block   string        // the method whose CallEnd waits for release
	release chan struct{} // closed by the test

	mu     sync.Mutex // protects the fields below
	starts []rpc.CallInfo
	ends   []observed
	strays []rpc.Stray
}

func (o *observer) CallStart(ctx context.Context, call rpc.CallInfo) context.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.starts = append(o.starts, call)
	return context.WithValue(ctx, observerKey{}, call.Method)
}

func (o *observer) CallEnd(ctx context.Context, call rpc.CallInfo, end rpc.CallEnd) {
	if o.block != "" && call.Method == o.block {
		<-o.release
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends = append(o.ends, observed{ctx, call, end})
}

func (o *observer) Stray(s rpc.Stray) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.strays = append(o.strays, s)
}

func TestObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, o := newPeer(), &observer{}
		p.hold()
		c := newConn(t, p, rpc.Config{Observer: o, Lane: func(string) rpc.Lane { return rpc.LaneOrder }})
		callAsync(t.Context(), c, "private/first", nil)
		second := callAsync(t.Context(), c, "private/second", nil)
		<-p.held
		<-time.After(2 * time.Second)
		p.proceed <- struct{}{}
		batch := <-p.held
		<-time.After(time.Second)
		p.answer(batch[0].ID, "1")
		if err := <-second; err != nil {
			t.Fatal(err)
		}
		got := o.ends[0]
		want := rpc.CallEnd{Total: 3 * time.Second, Queued: 2 * time.Second, Server: 42 * time.Microsecond}
		if got.end != want || got.call != (rpc.CallInfo{Method: "private/second", ID: batch[0].ID, Lane: rpc.LaneOrder}) {
			t.Errorf("CallEnd %+v, %+v; want %+v", got.call, got.end, want)
		}
		if got.ctx.Value(observerKey{}) != "private/second" {
			t.Error("CallEnd did not get the context of CallStart")
		}
		p.answer(1<<52, "0")
		synctest.Wait()
		if len(o.strays) != 1 || o.strays[0].Kind != rpc.StrayUnknownID {
			t.Errorf("strays = %+v", o.strays)
		}
		c.Close()
		synctest.Wait()
		if len(o.starts) != 2 || len(o.ends) != 2 || rpc.SafeToRetry(o.ends[1].end.Err) {
			t.Errorf("%d starts, ends %+v", len(o.starts), o.ends)
		}
	})
}

// TestObserverIsToldOfEveryCall goes through all fault points.
func TestObserverIsToldOfEveryCall(t *testing.T) {
	t.Parallel()
	for _, tt := range outcomes {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, o := newPeer(), &observer{}
				tt.cfg.Observer = o
				c := newConn(t, p, tt.cfg)
				err := tt.call(t.Context(), p, c)
				c.Close()
				synctest.Wait()
				told := 0
				for _, e := range o.ends {
					if e.end.Err == err { //nolint:errorlint // the very same
						told++
					}
				}
				if told != 1 || len(o.starts) != len(o.ends) {
					t.Errorf("told %d times of %v; %d starts, %d ends", told, err, len(o.starts), len(o.ends))
				}
			})
		})
	}
}

// TestServerTime takes it from usIn and usOut if usDiff is absent.
func TestServerTime(t *testing.T) {
	t.Parallel()
	p, o := newPeer(), &observer{}
	c := newConn(t, p, rpc.Config{Observer: o})
	for _, tt := range []struct {
		members string
		want    time.Duration
	}{
		{`"usIn":5,"usOut":9`, 4 * time.Microsecond},
		{`"usIn":9,"usOut":5`, 0},
		{`"usDiff":7,"usIn":9,"usOut":5`, 7 * time.Microsecond},
		{`"usOut":9`, 0},
		{`"usDiff":9223372036854775807`, 9223372036854775 * time.Microsecond},
	} {
		pending, err := c.Send(t.Context(), "public/test", nil)
		if err != nil {
			t.Fatal(err)
		}
		p.send(`{"id":%d,"result":0,%s}`, pending.ID(), tt.members)
		if err := pending.Wait(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got := o.ends[len(o.ends)-1].end.Server; got != tt.want {
			t.Errorf("%s: %v; want %v", tt.members, got, tt.want)
		}
	}
}
