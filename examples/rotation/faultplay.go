package main

import (
	"context"
	"errors"
	"sync"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// playLostReply costs one secret more: the one in the reply is known to nobody, and the authority resets the key again.
func (s *stage) playLostReply(ctx context.Context) error {
	s.authority.meddle(func(_ context.Context, reset func() ([]byte, error)) ([]byte, error) {
		s.line.cutAtReply.Store(true)
		return reset()
	})
	s.turn(ctx, s.rotator.Rotate, rotated)
	s.fault.Fired = int(s.line.cuts.Load())
	s.happened("the reply was lost with the connection; no known secret worked, and the authority reset the key again")
	return nil
}

// playCrash has a fresh rotator recover over the same file. It waits for the lease of the dead one to expire.
func (s *stage) playCrash(ctx context.Context) error {
	executed := make(chan struct{})
	s.authority.meddle(func(ctx context.Context, reset func() ([]byte, error)) ([]byte, error) {
		raw, err := reset()
		clear(raw)
		if err != nil {
			return nil, err
		}
		close(executed)
		<-ctx.Done() // the reply dies with the rotator
		return nil, &rpc.CallError{Method: methodReset, Outcome: rpc.Unknown, Err: ctx.Err()}
	})
	var first sync.WaitGroup
	ended := make(chan struct{})
	first.Go(func() {
		defer close(ended)
		s.turn(ctx, s.rotator.Rotate, ending{rotate.Unfinished, isUnknownOutcome})
	})
	var err error
	select {
	case <-executed:
		s.fault.Fired++
		err = s.kill(ctx)
	case <-ended: // before the reset: that is the judge's
	}
	first.Wait()
	if err != nil || s.fault.Fired == 0 {
		return err
	}
	s.happened("the rotator ended after the reset was executed, and the new secret with it")
	store, err := filestore.Open(s.storePath)
	if err != nil {
		return err
	}
	s.config.Store = store
	if s.rotator, err = rotate.New(s.config); err != nil {
		return err
	}
	s.turn(ctx, s.rotator.Recover, recovered)
	s.happened("a fresh rotator on the same file waited for the lease to expire, and found the intent")
	return nil
}

// kill ends the rotator where it stands.
func (s *stage) kill(ctx context.Context) error {
	ended, end := context.WithCancel(ctx)
	end()
	if err := s.rotator.Close(ended); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return s.rotator.Close(ctx) // joins what is left of it
}

// playStoreFull costs time: the secret is in memory, and in the spare store, until the store takes it.
func (s *stage) playStoreFull(ctx context.Context) error {
	s.full.arm()
	s.turn(ctx, s.rotator.Rotate, rotated)
	s.fault.Fired = int(s.full.refused.Load())
	s.happened("saves that the store refused: %d: %v", s.fault.Fired, errFull)
	told := s.unsaved.Load()
	spare, err := s.config.Spare.Load(ctx)
	if err != nil {
		return err
	}
	if told != 1 || !spare.Current.Secret.Equal(s.keyring.Current().Secret) {
		s.broken = append(s.broken, "the new secret was not handed on while the store was full")
	}
	s.happened("OnUnsaved was told, and the spare store took the secret meanwhile")
	return nil
}

// playSecondFactor costs a second code: the rotation before has used the first one.
func (s *stage) playSecondFactor(ctx context.Context) error {
	s.person.repeat.Store(true)
	s.turn(ctx, s.rotator.Rotate, rotated)
	s.fault.Fired = int(s.person.repeated.Load())
	s.happened("the exchange refused the used code, and took the next")
	return nil
}

// playRateLimited costs a rotation, if the reset was not executed: nobody can know that at once, so the secrets are tried.
func (s *stage) playRateLimited(ctx context.Context) error {
	s.authority.meddle(func(context.Context, func() ([]byte, error)) ([]byte, error) {
		s.fault.Fired++
		s.line.cut()
		return nil, &rpc.Error{Code: session.CodeTooManyRequests, Message: "too_many_requests"}
	})
	s.turn(ctx, s.rotator.Rotate, ending{rotate.Aborted, isNotExecuted})
	s.happened("the old secret was found to work still: the reset was not executed, and the key is rotated again")
	s.turn(ctx, s.rotator.Rotate, rotated)
	return nil
}

// playForeignReset costs the rotation and needs a person, unless the rotator may take the key back.
func (s *stage) playForeignReset(ctx context.Context) (err error) {
	other, err := s.dial(ctx, "somebody", s.foreign)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close(ctx)) }()
	var theirs session.Secret
	s.authority.meddle(func(ctx context.Context, reset func() ([]byte, error)) ([]byte, error) {
		raw, err := reset()
		if err != nil {
			return nil, err
		}
		key, err := rpc.Call[struct {
			Secret session.Secret `json:"client_secret"`
		}](ctx, other, methodReset, map[string]any{"id": s.key.ID})
		if err == nil {
			s.fault.Fired++
			theirs = key.Secret
		}
		return raw, nil
	})
	if s.opts.takeBack {
		s.turn(ctx, s.rotator.Rotate, rotated)
		s.happened("the rotator found that its secret was dead, and took the key back")
		return nil
	}
	s.turn(ctx, s.rotator.Rotate, ending{rotate.LockedOut, isForeignReset})
	if s.fault.Fired == 0 { // that is the judge's
		return nil
	}
	s.happened("the rotator found that its secret was dead, and left the key to a person")
	current := s.keyring.Current()
	current.Secret, current.Generation = theirs, current.Generation+1
	if err := s.keyring.Publish(current); err != nil {
		return err
	}
	s.turn(ctx, s.rotator.Recover, recovered)
	s.happened("the person published the secret on the keyring, and called Recover")
	return nil
}
