package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// fault is something that can go wrong in a rotation.
type fault struct {
	injected string // what is done
	resets   int    // requests to reset the key that the exchange is to get, whoever sends them
	play     func(s *stage, ctx context.Context) error
}

// The faults.
const (
	lostReply       = "lost-reply"
	crashAfterReset = "crash-after-reset"
	storeFull       = "store-full"
	secondFactor    = "second-factor"
	rateLimited     = "rate-limited"
	foreignReset    = "foreign-reset"
)

var faults = map[string]fault{
	lostReply:       {"the authority's connection is cut when the reset was executed, before its reply is written", 2, (*stage).playLostReply},
	crashAfterReset: {"the rotator ends when the reset was executed, with the only copy of the new secret", 2, (*stage).playCrash},
	storeFull:       {"the store is full when the new secret is to be stored, for a second", 1, (*stage).playStoreFull},
	secondFactor:    {"the exchange asks for a second factor, and the first code that it is given was used before", 4, (*stage).playSecondFactor},
	rateLimited:     {"the reset is answered with 10028 (too many requests), which ends the authority's connection", 1, (*stage).playRateLimited},
	foreignReset:    {"somebody else resets the key right after the rotator has", 2, (*stage).playForeignReset},
}

func faultNames() string { return strings.Join(slices.Sorted(maps.Keys(faults)), ", ") }

// faulty is the rotation that meets the fault, counted from 0.
const faulty = 1

// quarantine is short in a run with a fault, for the run to be: in earnest a reset without an answer is waited for a minute.
const quarantine = time.Second

// turn is one Rotate or Recover: how it ended, and how it was to end.
type turn struct {
	report rotate.Report
	err    error
	want   ending
}

// ending is how a turn is expected to end.
type ending struct {
	outcome rotate.Outcome
	err     string // as kindOf names it
}

var (
	rotated   = ending{rotate.Rotated, ""}
	recovered = ending{rotate.Recovered, ""}
)

// The errors that a fault may end a turn with: package rotate documents them.
const (
	isUnknownOutcome = "*rotate.UnknownOutcomeError"
	isForeignReset   = "*rotate.LockedOutError, rotate.ErrForeignReset"
	isNotExecuted    = "rotate.ErrNotExecuted"
)

// kindOf names an error as a caller of the rotator would tell it from others.
func kindOf(err error) string {
	_, isLockedOut := errors.AsType[*rotate.LockedOutError](err)
	_, isUnknown := errors.AsType[*rotate.UnknownOutcomeError](err)
	switch {
	case err == nil:
		return ""
	case isLockedOut && errors.Is(err, rotate.ErrForeignReset):
		return isForeignReset
	case errors.Is(err, rotate.ErrNotExecuted):
		return isNotExecuted
	case isUnknown && !isLockedOut:
		return isUnknownOutcome
	}
	return fmt.Sprintf("%T", err)
}

// faultResult is what became of the fault, as -json prints it.
type faultResult struct {
	Name       string       `json:"name"`
	Rotation   int          `json:"rotation"` // the one that met it, counted from 1
	Injected   string       `json:"injected"`
	Fired      int          `json:"fired"`
	Resets     int          `json:"resets"`     // requests to reset the key that the exchange got
	Quarantine string       `json:"quarantine"` // much shorter than in earnest
	Happened   []string     `json:"happened"`
	Turns      []turnResult `json:"turns"`
	Seconds    float64      `json:"seconds"`
}

// turnResult is how a Rotate or a Recover ended that had to do with the fault.
type turnResult struct {
	Trigger rotate.Trigger `json:"trigger"`
	Outcome rotate.Outcome `json:"outcome"`
	Error   string         `json:"error,omitempty"` // its kind; the report has its text
	Steps   []string       `json:"steps"`
	Seconds float64        `json:"seconds"`
}

// happened notes something that the fault brought about.
func (s *stage) happened(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.fault.Happened = append(s.fault.Happened, text)
	s.tell("  %s", text)
}

// resets counts the requests to reset a key that the exchange has got.
func (s *stage) resets() int { return int(s.exchange.Stats().Calls[methodReset]) } //nolint:gosec // a few

// turnFaulty plays the rotation that meets the fault.
func (s *stage) turnFaulty(ctx context.Context) error {
	chosen := faults[s.opts.fault]
	s.fault = &faultResult{
		Name: s.opts.fault, Rotation: faulty + 1, Injected: chosen.injected, Quarantine: quarantine.String(),
	}
	s.tell("\nFault: %s. The quarantine is %v, for the play to be short.", chosen.injected, quarantine)
	began, before, resets := time.Now(), len(s.turns), s.resets()
	if err := errors.Join(chosen.play(s, ctx), s.line.failed()); err != nil {
		return fmt.Errorf("-fault %s: %w", s.opts.fault, err)
	}
	s.fault.Seconds, s.fault.Resets = time.Since(began).Seconds(), s.resets()-resets
	wanted := chosen.resets
	if s.opts.takeBack {
		wanted++
	}
	if s.fault.Resets != wanted {
		s.broken = append(s.broken, fmt.Sprintf("the exchange got %d requests to reset the key, not %d", s.fault.Resets, wanted))
	}
	for _, t := range s.turns[before:] {
		steps := make([]string, 0, len(t.report.Steps))
		for _, step := range t.report.Steps {
			text := string(step.Kind)
			if step.Err != "" {
				text += ": " + step.Err
			}
			steps = append(steps, text)
		}
		s.fault.Turns = append(s.fault.Turns, turnResult{
			Trigger: t.report.Trigger, Outcome: t.report.Outcome, Error: kindOf(t.err), Steps: steps,
			Seconds: t.report.Duration.Seconds(),
		})
	}
	return nil
}

// expectFault prepares what the fault needs.
func (s *stage) expectFault() (err error) {
	s.config.Quarantine, s.config.TakeBack = quarantine, s.opts.takeBack
	s.config.SecondFactor = s.person.answer
	switch s.opts.fault {
	case crashAfterReset: // who recovers waits for the lease
		s.config.ResetTimeout, s.config.LeaseTTL = time.Second, 2*time.Second
	case storeFull:
		s.full = &fullStore{Store: s.config.Store}
		s.config.Store = s.full
		s.config.Hooks.OnUnsaved = func(context.Context, rotate.APIKey, error) { s.unsaved.Add(1) }
		s.config.Spare, err = filestore.Open(s.storePath + "-spare")
	case foreignReset:
		s.foreign = s.addKey("somebody")
	}
	return err
}
