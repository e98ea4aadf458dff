package rpc_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// FuzzError has a call answered with any error object, and compares what its caller gets with what encoding/json reads. A frame
// that is no envelope ends the connection, and the call with it.
func FuzzError(f *testing.F) {
	for _, seed := range []string{
		`{"code":10009,"message":"not_enough_funds","data":{"reason":"why"}}`, `{"message":"Invalid params","code":-32602}`,
		`{"code":13009,"message":"unauthorized","data":"` + strings.Repeat("confidential ", 4) + `"}`, `{"code":1.5}`, `{"code":"1"}`,
		`{"code":9223372036854775808}`, `{"code":1,"code":2}`, `{"CODE":7,"c\u006fde":8}`, `{"message":null}`, `{"data":[1}`, `{}`, `[]`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		p := newPeer()
		p.onWrite = func(msgs [][]byte) error {
			id := strconv.FormatUint(parseRequest(msgs[0]).ID, 10)
			p.incoming <- slices.Concat([]byte(`{"jsonrpc":"2.0","id":`+id+`,"error":`), object, []byte(`}`))
			close(p.incoming) // what follows is an empty frame, which ends the connection
			return nil
		}
		c := rpc.NewConn(p, rpc.Config{MaxDepth: maxDepth, Classify: onlySeven})
		defer c.Close()
		err := c.Call(t.Context(), "private/buy", nil, nil)
		if !json.Valid(object) || depthOf(object) >= maxDepth {
			return // there is nothing to compare with, but nothing must break
		}
		var want rpc.Envelope
		judged := oracleFailure(&want, object)
		refusal, refused := errors.AsType[*rpc.Error](err)
		if refused != (judged == nil && want.Failed) {
			t.Fatalf("%q: the call ended with %v, the judge says %+v, %v", object, err, want, judged)
		}
		if !refused {
			if !errors.Is(err, rpc.ErrMalformed) || rpc.SafeToRetry(err) {
				t.Fatalf("%q: the call ended with %v", object, err)
			}
			return
		}
		if int64(refusal.Code) != want.Code || refusal.Message != want.Message || string(refusal.Data) != string(want.Data) {
			t.Fatalf("%q: got %d, %q, %q, want %+v", object, refusal.Code, refusal.Message, refusal.Data, want)
		}
		if rpc.SafeToRetry(err) != (want.Code == 7) || refusal.ErrorType() != strconv.FormatInt(want.Code, 10) {
			t.Errorf("%q: safe to retry %t, type %s", object, rpc.SafeToRetry(err), refusal.ErrorType())
		}
		if data := string(want.Data); len(data) > 40 && !strings.Contains(want.Message, data) && strings.Contains(err.Error(), data) {
			t.Errorf("%q quotes the data", err)
		}
	})
}

// onlySeven is a dialect in which one code says that nothing was executed.
func onlySeven(code rpc.Code) rpc.Verdict { return rpc.Verdict{NotExecuted: code == 7} }
