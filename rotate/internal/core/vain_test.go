package core_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
)

// unheard performs effects where no secret works and no reset is answered, and counts the resets.
func unheard(t *testing.T, ledger core.Ledger) (end core.Machine, resets int) {
	t.Helper()
	answers := map[core.Effect]core.Event{
		core.TakeLease: {Kind: core.LeaseTaken, Ledger: core.Ledger{Secrets: 1, Authorities: ledger.Authorities, Independent: ledger.Independent}},
		core.Check:     {Kind: core.Checked}, core.Intend: {Kind: core.Intended}, core.Arm: {Kind: core.Armed},
		core.Retake: {Kind: core.Retaken, Ledger: ledger},
		core.Try:    {Kind: core.Rejected}, core.Send: {Kind: core.NoAnswer}, core.Release: {Kind: core.Released},
	}
	m, effects := core.Start(core.Rotate, false)
	for len(effects) > 0 && resets < 100 {
		var event core.Event
		answered := false
		for _, effect := range effects {
			if effect == core.Send {
				resets++
			}
			if event, answered = answers[effect]; answered {
				break
			}
		}
		if !answered {
			t.Fatalf("nothing of %v has an answer here", effects)
		}
		m, _, effects = core.Step(m, event)
	}
	return m, resets
}

// TestResetsInVain: if the exchange answers no reset that is sent with the key's own tokens, a person is told in the end, once the record
// was looked at again. With another key an outage is the likelier reason, and is waited for.
func TestResetsInVain(t *testing.T) {
	t.Parallel()
	ledger := core.Ledger{Unfinished: true, Secrets: 2, Sent: true, Recent: true, Authorities: 1}
	m, resets := unheard(t, ledger)
	if m.State != core.LockedOut || !m.InVain() || !m.Confirmed || !m.Ours || resets != core.MaxOpen {
		t.Errorf("%d resets, then %+v", resets, m)
	}
	ledger.Independent = true
	if m, resets = unheard(t, ledger); m.State == core.LockedOut || m.InVain() || resets < 100 {
		t.Errorf("with another key: %d resets, then %+v", resets, m)
	}
}
