package rpc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rpc"
)

// TestBadInput shows what each kind of bad input gets. Every case has a call under way.
func TestBadInput(t *testing.T) {
	t.Parallel()
	const marker = "confidential"
	for _, tt := range []struct {
		name string
		feed func(p *peer, id uint64)
		ends error         // what ends the connection; nil if it lives on
		is   error         // what the call gets; nil if it gets its answer
		kind rpc.StrayKind // what is counted
		n    uint64        // how often
	}{
		{name: "garbage frame", feed: func(p *peer, _ uint64) { p.send("\x00%s", marker) }, ends: rpc.ErrMalformed},
		{name: "empty frame", feed: func(p *peer, _ uint64) { p.send("") }, ends: rpc.ErrMalformed},
		{name: "batch", feed: func(p *peer, id uint64) { p.send(`[{"id":%d,"result":%q}]`, id, marker) }, ends: rpc.ErrMalformed},
		{
			name: "10 MB frame",
			feed: func(p *peer, _ uint64) { p.lost <- fmt.Errorf("websocket: read: %w", rpc.ErrMessageTooBig) },
			ends: rpc.ErrMessageTooBig,
		},
		{
			name: "10,000 levels deep",
			feed: func(p *peer, id uint64) {
				p.send(`{"id":%d,"result":%s%s}`, id, strings.Repeat("[", 10_000), strings.Repeat("]", 10_000))
			},
			ends: rpc.ErrMalformed,
		},
		{
			name: "duplicate keys",
			feed: func(p *peer, id uint64) { p.send(`{"id":%d,"id":%d,"result":%q}`, id, id, marker) },
			ends: rpc.ErrMalformed,
		},
		{
			name: "result and error",
			feed: func(p *peer, id uint64) { p.send(`{"id":%d,"result":%q,"error":{"code":1,"message":""}}`, id, marker) },
			ends: rpc.ErrMalformed,
		},
		{
			name: "id never sent",
			feed: func(p *peer, id uint64) { p.answer(id+1000, `"`+marker+`"`) },
			kind: rpc.StrayUnknownID, n: 1,
		},
		{
			name: "id of no call", feed: func(p *peer, _ uint64) { p.send(`{"id":0,"result":1}`) },
			kind: rpc.StrayUnknownID, n: 1,
		},
		{
			name: "error without id",
			feed: func(p *peer, _ uint64) { p.send(`{"error":{"code":-32600,"message":"request entity too large"}}`) },
			kind: rpc.StrayError, n: 1,
		},
		{
			name: "result that does not decode",
			feed: func(p *peer, id uint64) { p.answer(id, `{"a":"b"}`) },
			is:   rpc.ErrDecode, kind: rpc.StrayDuplicate, n: 1, // the true answer comes too late
		},
		{name: "peer that stops reading", feed: func(*peer, uint64) {}, ends: rpc.ErrWriteStalled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPeer()
				c := newConn(t, p, rpc.Config{Handler: p.handle})
				if errors.Is(tt.ends, rpc.ErrWriteStalled) {
					p.hold()
				}
				result, ended := new(int), make(chan error, 1)
				go func() { ended <- c.Call(t.Context(), "private/buy", nil, result) }()
				synctest.Wait()
				var id uint64
				if p.held == nil {
					id = (<-p.requests).ID
				}
				tt.feed(p, id)

				if tt.ends != nil {
					err := <-ended
					if <-c.Done(); !errors.Is(c.Err(), tt.ends) || !errors.Is(err, tt.ends) || rpc.SafeToRetry(err) {
						t.Errorf("connection ended with %v, call with %v", c.Err(), err)
					}
					if strings.Contains(c.Err().Error()+err.Error(), marker) {
						t.Errorf("%v quotes the frame", c.Err())
					}
					return
				}
				p.answer(id, "42")
				if err := <-ended; !errors.Is(err, tt.is) || err == nil && *result != 42 {
					t.Errorf("call = %d, %v; want %v", *result, err, tt.is)
				}
				p.barrier()
				if s := c.Stats().Strays; s[tt.kind] != tt.n {
					t.Errorf("strays = %v; want %d of kind %d", s, tt.n, tt.kind)
				}
			})
		})
	}
}

// TestMaxResult: a result that is longer than its method's fails its call alone, and is not quoted.
func TestMaxResult(t *testing.T) {
	t.Parallel()
	const most = 70_000
	p := newPeer()
	c := newConn(t, p, rpc.Config{MaxResult: func(method string) int {
		if method == "public/bounded" {
			return most
		}
		return 0
	}})
	for _, tt := range []struct {
		method string
		size   int
		passes bool
	}{
		{"public/bounded", most, true},
		{"public/bounded", most + 1, false},
		{"public/unbounded", most + 1, true},
		{"public/bounded", 2, true},
	} {
		pending, err := c.Send(t.Context(), tt.method, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.answer(pending.ID(), `"`+strings.Repeat("x", tt.size-2)+`"`)
		raw, err := pending.WaitRaw(t.Context(), nil)
		switch {
		case tt.passes && (err != nil || len(raw) != tt.size):
			t.Errorf("%s, %d bytes: %d bytes, %v", tt.method, tt.size, len(raw), err)
		case !tt.passes && (!errors.Is(err, rpc.ErrDecode) || !errors.Is(err, rpc.ErrMessageTooBig) || rpc.SafeToRetry(err) || len(raw) > 0):
			t.Errorf("%s, %d bytes: %d bytes, %v", tt.method, tt.size, len(raw), err)
		case err != nil && strings.Contains(err.Error(), "xx"):
			t.Errorf("%q quotes the result", err)
		}
	}
}
