package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

func methods(batch []request) []string {
	var names []string
	for _, r := range batch {
		names = append(names, r.Method)
	}
	return names
}

// TestRegisteredBeforeWritten has a peer whose answer has been dealt with before WriteMessages returns.
func TestRegisteredBeforeWritten(t *testing.T) {
	t.Parallel()
	p := newPeer()
	p.onWrite = func(msgs [][]byte) error {
		p.answer(parseRequest(msgs[0]).ID, `"quick"`)
		p.barrier()
		return nil
	}
	c := newConn(t, p, rpc.Config{Handler: p.handle})
	for range 100 {
		if got, err := rpc.Call[string](t.Context(), c, "public/test", nil); err != nil || got != "quick" {
			t.Fatalf("Call = %q, %v", got, err)
		}
	}
	if s := c.Stats(); s.Strays != (rpc.Stats{}).Strays {
		t.Errorf("strays: %v", s.Strays)
	}
}

func TestWritesCombine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{})
		callAsync(t.Context(), c, "public/first", nil)
		for range 10 {
			callAsync(t.Context(), c, "public/queued", nil)
		}
		p.proceed <- struct{}{}
		p.proceed <- struct{}{}
		if n := len(<-p.held); n != 1 {
			t.Errorf("first write has %d requests; want 1", n)
		}
		if n := len(<-p.held); n != 10 {
			t.Errorf("second write has %d requests; want 10", n)
		}
		synctest.Wait()
		if s := c.Stats(); s.Writes != 2 || s.Sent != 11 {
			t.Errorf("Stats: %d writes, %d sent", s.Writes, s.Sent)
		}
	})
}

// laneByName puts the method "lane/3" into the lane 3.
func laneByName(method string) rpc.Lane {
	lane, _ := strings.CutPrefix(method, "lane/")
	return rpc.Lane(lane[0] - '0')
}

func TestLanesLeaveInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{Lane: laneByName})
		callAsync(t.Context(), c, "lane/3", nil)
		for _, lane := range []int{4, 3, 9, 2, 1, 0} { // there is no 9
			callAsync(t.Context(), c, fmt.Sprintf("lane/%d", lane), nil)
		}
		p.proceed <- struct{}{}
		<-p.held
		want := []string{"lane/0", "lane/1", "lane/2", "lane/3", "lane/9", "lane/4"}
		if got := methods(<-p.held); !slices.Equal(got, want) {
			t.Errorf("requests left as %v; want %v", got, want)
		}
	})
}

// TestUrgentCallsOvertakeAGatherer has a caller who yields, so that others can share its write, and one who cannot wait.
func TestUrgentCallsOvertakeAGatherer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{Lane: laneByName})
		gatherer, err := rpc.Gather(t.Context(), c, "lane/3")
		if err != nil {
			t.Fatal(err)
		}
		callAsync(t.Context(), c, "lane/1", nil)
		if got := methods(<-p.held); !slices.Equal(got, []string{"lane/1", "lane/3"}) {
			t.Errorf("the urgent call wrote %v", got)
		}
		ctx, leave := context.WithCancel(t.Context())
		leave()
		err = gatherer.Finish(ctx)
		if ce, ok := errors.AsType[*rpc.CallError](err); !ok || ce.Outcome != rpc.Unknown {
			t.Errorf("the gatherer, whose frame was taken, ended with %v", err)
		}
		callAsync(t.Context(), c, "lane/0", nil)
		synctest.Wait()
		if n := len(p.held); n != 0 {
			t.Errorf("%d writes while another one was under way", n)
		}
		p.proceed <- struct{}{}
		<-p.held
	})
}

func TestNoLaneStarves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{Lane: laneByName})
		big := []string{strings.Repeat("x", 40<<10)}
		callAsync(t.Context(), c, "lane/0", nil)
		callAsync(t.Context(), c, "lane/4", nil)
		for range 3 {
			callAsync(t.Context(), c, "lane/0", big)
		}
		p.proceed <- struct{}{}
		<-p.held
		if got := methods(<-p.held); !slices.Equal(got, []string{"lane/0", "lane/0", "lane/4"}) {
			t.Errorf("second write has %v; want two big frames and the one of the last lane", got)
		}
	})
}

// TestRoleIsHandedOn answers a caller that writes, and keeps giving it frames of others to write.
func TestRoleIsHandedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{})
		first := callAsync(t.Context(), c, "public/first", nil)
		for round := range rpc.MaxRounds {
			batch := <-p.held
			if round == 0 {
				p.answer(batch[0].ID, "1")
			}
			callAsync(t.Context(), c, "public/later", nil)
			p.proceed <- struct{}{}
			synctest.Wait()
		}
		select {
		case err := <-first:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("the first caller still writes after %d rounds", rpc.MaxRounds)
		}
		if batch := <-p.held; batch[0].Method != "public/later" {
			t.Errorf("nobody took the role up: %v", batch)
		}
	})
}

// busy brings a writer so far that it will hand its role on after the write that it is in now.
func busy(t *testing.T, p *peer, c *rpc.Conn) {
	t.Helper()
	callAsync(t.Context(), c, "public/busy", nil)
	for range rpc.MaxRounds - 1 {
		callAsync(t.Context(), c, "public/busy", nil)
		p.proceed <- struct{}{}
		synctest.Wait()
	}
}

// answerAll lets all writes proceed and answers what they bring.
func (p *peer) answerAll() {
	close(p.proceed)
	synctest.Wait()
	for len(p.held) > 0 {
		for _, r := range <-p.held {
			p.answer(r.ID, "1")
		}
	}
}

// TestHeirLeaves ends the context of a caller in the moment in which it is given the writer's role.
func TestHeirLeaves(t *testing.T) {
	t.Parallel()
	for n := range 50 {
		synctest.Test(t, func(t *testing.T) {
			p := newPeer()
			p.hold()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			writes, held := 0, p.onWrite
			p.onWrite = func(msgs [][]byte) error {
				err := held(msgs)
				if writes++; writes == rpc.MaxRounds {
					cancel()
				}
				return err
			}
			c := newConn(t, p, rpc.Config{})
			busy(t, p, c)
			heir := callAsync(ctx, c, "public/heir", nil)
			others := n % 2 // with a caller behind the heir, and with none
			ended := make(chan error, 2)
			for range others {
				go func() { ended <- c.Call(t.Context(), "public/last", nil, nil) }()
				synctest.Wait()
			}
			p.proceed <- struct{}{}
			synctest.Wait()
			go func() { ended <- c.Call(t.Context(), "public/fresh", nil, nil) }()
			synctest.Wait()
			p.answerAll()
			if err := <-heir; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("heir: %v", err)
			}
			for range others + 1 {
				if err := <-ended; err != nil {
					t.Errorf("a call behind the heir: %v", err)
				}
			}
		})
	}
}

// TestSendTakesItsTurn has Send meet a writer that hands its role on, one that takes its frame along, and the end of
// the connection.
func TestSendTakesItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{})
		busy(t, p, c)
		sent := make(chan *rpc.Pending, 2)
		for range 2 { // one is the heir, whose write takes the other along
			go func() {
				pending, err := c.Send(t.Context(), "public/sent", nil)
				if err != nil {
					t.Error(err)
				}
				sent <- pending
			}()
		}
		synctest.Wait()
		if len(sent) != 0 {
			t.Error("Send returned before its frame was taken")
		}
		p.proceed <- struct{}{}
		synctest.Wait()
		if len(sent) != 1 {
			t.Errorf("%d Sends have returned; want the one whose frame was taken along", len(sent))
		}
		p.answerAll()
		for range 2 {
			if err := (<-sent).Wait(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestSendIsOvertakenByItsAnswer: the answer is left for Wait.
func TestSendIsOvertakenByItsAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pending, err := rpc.SendOvertaken(t.Context(), newConn(t, newPeer(), rpc.Config{}), "7")
		if err != nil {
			t.Fatal(err)
		}
		var got int
		if err := pending.Wait(t.Context(), &got); err != nil || got != 7 {
			t.Errorf("Wait = %d, %v; want 7", got, err)
		}
	})
}

func TestSendMeetsTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{})
		callAsync(t.Context(), c, "public/first", nil)
		ended := make(chan error, 1)
		go func() {
			_, err := c.Send(t.Context(), "public/sent", nil)
			ended <- err
		}()
		synctest.Wait()
		c.Close()
		if err := <-ended; !rpc.SafeToRetry(err) || !errors.Is(err, rpc.ErrClosed) {
			t.Errorf("Send = %v; want not sent", err)
		}
	})
}

func TestWithdrawnFrameIsNeverWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{})
		callAsync(t.Context(), c, "public/first", nil)
		before := callAsync(second(t.Context()), c, "public/before", nil)
		middle := callAsync(t.Context(), c, "public/middle", nil)
		after := callAsync(second(t.Context()), c, "public/after", nil)
		_, err := c.Send(second(t.Context()), "public/send", nil)
		for _, err := range []error{<-before, <-after, err} {
			if !rpc.SafeToRetry(err) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("withdrawn call: %v; want not sent", err)
			}
		}
		p.proceed <- struct{}{}
		<-p.held
		batch := <-p.held
		if got := methods(batch); !slices.Equal(got, []string{"public/middle"}) {
			t.Errorf("second write has %v; want the call in the middle alone", got)
		}
		p.answer(batch[0].ID, "1")
		if err := <-middle; err != nil {
			t.Error(err)
		}
	})
}

// TestStalledWrite shows who waits for how long behind a peer that does not read.
func TestStalledWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{WriteTimeout: 3 * time.Second})
		start := time.Now()
		writer := callAsync(second(t.Context()), c, "public/writer", nil)
		patient := callAsync(t.Context(), c, "public/patient", nil)
		if err := c.Call(second(t.Context()), "public/hasty", nil, nil); time.Since(start) != time.Second || !rpc.SafeToRetry(err) {
			t.Errorf("behind the writer: %v after %v; want not sent after its second", err, time.Since(start))
		}
		<-c.Done()
		if waited := time.Since(start); waited != 3*time.Second || !errors.Is(c.Err(), rpc.ErrWriteStalled) {
			t.Errorf("connection ended with %v after %v", c.Err(), waited)
		}
		if err := <-writer; !errors.Is(err, rpc.ErrWriteStalled) || rpc.SafeToRetry(err) {
			t.Errorf("writer: %v; want unknown", err)
		}
		if err := <-patient; !errors.Is(err, rpc.ErrWriteStalled) || !rpc.SafeToRetry(err) {
			t.Errorf("patient caller: %v; want not sent", err)
		}
	})
}

// TestWriterLeavesWithItsContext has the context of a writer end in a slow write, while a frame waits behind it.
// Asks: coder/websocket#289, coder/websocket#474.
func TestWriterLeavesWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{})
		start := time.Now()
		writer := callAsync(second(t.Context()), c, "public/writer", nil)
		behind := callAsync(t.Context(), c, "public/behind", nil)
		<-time.After(2 * time.Second)
		p.proceed <- struct{}{}
		if err := <-writer; !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("writer: %v after %v; want its deadline, as soon as its write is over", err, time.Since(start))
		}
		p.answerAll()
		if err := <-behind; err != nil {
			t.Errorf("the call behind: %v", err)
		}
	})
}

// TestSlowWriteIsNoStall has writes that take almost as long as they may.
func TestSlowWriteIsNoStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.onWrite = func(msgs [][]byte) error {
			<-time.After(4999 * time.Millisecond)
			p.answer(parseRequest(msgs[0]).ID, "1")
			return nil
		}
		c := newConn(t, p, rpc.Config{})
		for range 5 {
			if err := c.Call(t.Context(), "public/test", nil, nil); err != nil {
				t.Fatal(err)
			}
		}
	})
}
