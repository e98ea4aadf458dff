package rotate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// refuser is a transport to a server that refuses everything with one code.
type refuser struct {
	code    rpc.Code
	replies chan []byte
	once    sync.Once // closes replies
}

func (r *refuser) ReadMessage() ([]byte, error) {
	reply, ok := <-r.replies
	if !ok {
		return nil, io.EOF
	}
	return reply, nil
}

func (r *refuser) WriteMessages(msgs ...[]byte) error {
	for _, msg := range msgs {
		var request struct{ ID json.RawMessage }
		if err := json.Unmarshal(msg, &request); err != nil {
			return err
		}
		r.replies <- fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"refused"}}`, request.ID, r.code)
	}
	return nil
}

func (r *refuser) Close() error {
	r.once.Do(func() { close(r.replies) })
	return nil
}

// judged is an error of the code as a connection gives it whose dialect says that nothing was executed.
func judged(t *testing.T, code rpc.Code) error {
	t.Helper()
	conn := rpc.NewConn(&refuser{code: code, replies: make(chan []byte, 1)}, rpc.Config{
		Classify: func(rpc.Code) rpc.Verdict { return rpc.Verdict{NotExecuted: true} },
	})
	err := conn.Call(t.Context(), "private/reset_api_key", nil, nil)
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if !rpc.SafeToRetry(err) {
		t.Fatalf("not judged: %v", err)
	}
	return err
}

// TestDefiniteRefusal: a refusal that was surely not executed needs no probe. Too many requests are no such refusal: with them the
// exchange ends the session, and what else was on its way.
func TestDefiniteRefusal(t *testing.T) {
	for _, test := range []struct {
		code  rpc.Code
		tried bool
	}{
		{session.CodeForbidden, false},
		{session.CodeUnauthorized, false},
		{rpc.CodeInvalidParams, false},
		{session.CodeTooManyRequests, true},
	} {
		t.Run(fmt.Sprint(test.code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				refused := judged(t, test.code)
				p.refuse = func(map[string]any) (string, error) { return "", refused }
				report, err := p.rotator(t, nil).Rotate(t.Context())
				if report.Outcome != rotate.Aborted || errors.Is(err, rotate.ErrNotExecuted) != test.tried {
					t.Errorf("%v, %v", report, err)
				}
				if tried := strings.Contains(strings.Join(p.events, "\n"), "try "); tried != test.tried {
					t.Errorf("the old secret was tried: %t", tried)
				}
				settled(t, p)
			})
		})
	}
}
