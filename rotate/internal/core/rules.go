package core

// What a row asks of the machine.

func unfinished(m Machine) bool { return m.ledger.Unfinished }
func recovering(m Machine) bool { return m.Goal == Recover }
func previewing(m Machine) bool { return m.Goal == Preview }
func sure(m Machine) bool       { return !m.Doubt }
func closed(m Machine) bool     { return m.Open == 0 }
func roundLeft(m Machine) bool  { return m.Rounds < MaxRounds }
func sureRound(m Machine) bool  { return sure(m) && roundLeft(m) }
func sendAgain(m Machine) bool  { return sure(m) && m.Sends < MaxUnsent }
func secretLeft(m Machine) bool { return m.Secret+1 < m.ledger.Secrets }

// mayAppeal is whether the key may be reset again, and somebody is there to do so and to hear the answer. If none of this store's
// rotators can have reset it, a person has: that one knows the secret.
func mayAppeal(m Machine) bool { return (m.Ours || m.Heal) && m.ledger.Authorities > 0 && !m.InVain() }

func unconfirmed(m Machine) bool { return !m.Confirmed }
func nothingNew(m Machine) bool  { return m.Confirmed && !m.ledger.News }

// moreLeft is whether somebody else might do so, or one who was out of reach.
func moreLeft(m Machine) bool { return m.Authority+1 < m.ledger.Authorities || m.Unheard }

// What a row changes in the machine.

// again counts a vain attempt.
func again(m *Machine) { m.Attempt++ }

// fresh forgets vain attempts: another effect is next.
func fresh(m *Machine) { m.Attempt = 0 }

// takeOver is the beginning of a recovery.
func takeOver(m *Machine) { m.Goal, m.Doubt = Recover, true }

// doubt is a current secret that may be dead.
func doubt(m *Machine) { m.Doubt = true }

// sent counts a reset.
func sent(m *Machine) {
	m.Sends++
	m.Confirmed = false
}

// confirm has the record looked at once more before a person is told.
func confirm(m *Machine) { m.Confirmed = true }

// unsent has the next attempt made after a pause.
func unsent(m *Machine) { m.Attempt = m.Sends }

// lost is a reset without an answer. If another one is needed, it is somebody else's turn to send it, unless this was the first.
func lost(m *Machine) {
	if m.Doubt {
		unheard(m)
	}
	m.Doubt, m.Ours = true, true
	m.Open++
}

// found is its answer, late.
func found(m *Machine) {
	m.Open--
	answered(m)
}

// answered is a reset whose secret is known: if that is refused, it is not this reset's doing.
func answered(m *Machine) { m.Ours = m.Open > 0 }

// executed is a reset that was executed late, this one's or somebody else's: it is too late for more.
func executed(m *Machine) { m.Doubt, m.Open = true, 0 }

// asked counts a round of the second factor.
func asked(m *Machine) { m.Rounds++ }

// learn takes in what the record says when the secrets are to be tried.
func learn(m *Machine) {
	if m.ledger.Replaced {
		m.Ours, m.Open = false, 0
	}
	m.Ours = m.Ours || m.ledger.Sent
	if m.ledger.Recent {
		m.Open = max(m.Open, 1)
	}
	m.Secret, m.Rounds = 0, 0
	if m.Authority >= m.ledger.Authorities { // sessions come and go
		m.Authority, m.Unheard = 0, false
	}
}

// nextSecret goes on to an older one.
func nextSecret(m *Machine) { m.Secret, m.Attempt = m.Secret+1, 0 }

// appeal asks an authority, after a pause if resets were sent already.
func appeal(m *Machine) { m.Attempt = m.Sends }

// nextAuthority goes on to another one, and after a pause to the first again.
func nextAuthority(m *Machine) {
	m.Authority++
	m.Rounds = 0
	if m.Authority >= m.ledger.Authorities {
		m.Authority, m.Unheard, m.Attempt = 0, false, m.Sends
	}
}

// unheard does so when the present one was out of reach: it may yet have it.
func unheard(m *Machine) {
	m.Unheard = true
	nextAuthority(m)
}

// works is a current secret that the exchange has just taken.
func works(m *Machine) {
	m.Doubt, m.Confirmed = false, false
	m.Ours = m.Open > 0
	m.Sends, m.Rounds, m.Authority, m.Unheard = 0, 0, 0, false
}

// settled is when nothing can be executed any more.
func settled(m *Machine) { m.Open, m.Ours, m.Attempt = 0, false, 0 }
