package session

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// pace waits for a call's credits, and returns the connection to write it to: the one that it was made for, or the one that has
// taken over from that.
func (s *Session) pace(ctx context.Context, l *link, method string) (*link, error) {
	waited, err := s.cfg.Limits.wait(ctx, method)
	if waited {
		s.paced.Add(1)
	}
	if now := s.live.Load(); err == nil && waited && now != l {
		if now == nil || now.before != l.epoch {
			err = fmt.Errorf("%w: the connection was lost while the call waited for its credits", ErrNotReady)
		}
		l = now
	}
	if err != nil {
		return nil, &rpc.CallError{Method: method, Outcome: rpc.NotSent, Err: err}
	}
	return l, nil
}

// learnLimits asks the exchange for the account's limits. Without an answer the published ones hold.
func (s *Session) learnLimits(l *link) {
	if s.cfg.Limits == nil || s.cfg.Credentials == nil {
		return
	}
	s.work.Go(func() {
		var summary accountSummary
		err := s.linkCall(l.ctx, l, methodSummary, summaryParams{summaryCurrency}, &summary)
		if err == nil {
			s.cfg.Limits.get().teach(summary)
		} else if l.ctx.Err() == nil {
			s.log(slog.LevelInfo, "the account's rate limits are not known: the published ones hold", slog.Any("error", err))
		}
	})
}

type summaryParams struct {
	Currency string `json:"currency"`
}

// classify judges a refusal. It is the one place that sees each of them, whoever made the call.
func (l *link) classify(code rpc.Code) rpc.Verdict {
	if code == CodeTooManyRequests {
		now := time.Now()
		l.limited.Store(now.UnixNano())
		l.session.pools.exhaust(now)
	}
	if code == CodeMaintenance {
		l.noteMaintenance()
	}
	return classify(code)
}

// blame is why the connection ended: the exchange ends those that ask for too much, with or without a word.
func (l *link) blame(err error) error {
	at := l.limited.Load()
	if at == 0 || time.Since(time.Unix(0, at)) > limitedPause {
		return err
	}
	return fmt.Errorf("%w: %w", ErrRateLimited, err)
}
