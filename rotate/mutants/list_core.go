package main

const (
	tableFile = "rotate/internal/core/table.go"
	rulesFile = "rotate/internal/core/rules.go"

	machineFile = "rotate/internal/core/machine.go"
)

// coreMutants break the table of transitions.
var coreMutants = []mutant{
	{
		"a secret is tried before it is stored", "R1", tableFile,
		"{T9, in(Resetting), on(KeyCame), nil, Received, do(Store), answered}",
		"{T9, in(Resetting), on(KeyCame), nil, Received, do(Try, Store), answered}",
	},
	{
		"a secret is promoted before it was tried", "T13", tableFile,
		"on(Stored), nil, Durable, do(Try), nil}", "on(Stored), nil, Verified, do(Promote), nil}",
	},
	{
		"a secret is published before it is promoted", "T15", tableFile,
		"{T13, in(Durable), on(Accepted), nil, Verified, do(Promote), nil}", "{T13, in(Durable), on(Accepted), nil, Promoted, do(Publish), works}",
	},
	{
		"a reset without an answer is taken for none", "R9", tableFile,
		"{T10, in(Resetting), on(NoAnswer), nil, Unknown, do(AwaitReply, Retake), lost}",
		"{T10, in(Resetting), on(NoAnswer), nil, Aborted, undo, nil}",
	},
	{"a key is reset for ever that nobody hears of", "I7", rulesFile, "m.ledger.Authorities > 0 && !m.InVain()", "m.ledger.Authorities > 0"},
	{"an outage counts as deafness though another key hears", "I7", machineFile, "m.Open >= MaxOpen && !m.ledger.Independent", "m.Open >= MaxOpen"},
	{
		"nobody waits for the reply", "F17", tableFile,
		"do(AwaitReply, Retake)", "do(Retake)",
	},
	{
		"the gate is shut after the reset", "F32", tableFile,
		"{T4, in(Prepared), on(Armed), nil, Resetting, do(ShutGate, Send), sent}",
		"{T4, in(Prepared), on(Armed), nil, Resetting, do(Send, ShutGate), sent}",
	},
	{
		"the gate stays open when the reset is sent", "F32", tableFile,
		"{T4, in(Prepared), on(Armed), nil, Resetting, do(ShutGate, Send), sent}",
		"{T4, in(Prepared), on(Armed), nil, Resetting, do(Send), sent}",
	},
	{
		"the gate opens for a second factor though the secret is in doubt", "F32", tableFile,
		"on(ChallengeCame), sureRound, Challenged, do(OpenGate, AskCode), asked}",
		"on(ChallengeCame), roundLeft, Challenged, do(OpenGate, AskCode), asked}",
	},
	{
		"the gate stays shut after a refusal", "F32", tableFile,
		"var undo = do(ClearIntent, OpenGate, Forgo, Release)", "var undo = do(ClearIntent, Forgo, Release)",
	},
	{
		"the intent stays after a refusal", "T7", tableFile,
		"var undo = do(ClearIntent, OpenGate, Forgo, Release)", "var undo = do(OpenGate, Forgo, Release)",
	},
	{
		"the lease stays after a refusal", "T7", tableFile,
		"var undo = do(ClearIntent, OpenGate, Forgo, Release)", "var undo = do(ClearIntent, OpenGate, Forgo)",
	},
	{
		"a refusal clears the intent of an earlier reset", "R9", tableFile,
		"{T7, in(Resetting), on(Refused, NotSent), sure, Aborted, undo, nil}",
		"{T7, in(Resetting), on(Refused, NotSent), nil, Aborted, undo, nil}",
	},
	{
		"the store is asked once for the only copy of a secret", "R10", tableFile,
		"{T12, in(Received), on(NotStored), nil, Unsaved, do(TellUnsaved, Store), again}",
		"{T12, in(Received), on(NotStored), nil, Unsaved, do(TellUnsaved, Release), again}",
	},
	{
		"a candidate that came meanwhile is overwritten", "F26", tableFile,
		"{0, in(Verified), on(Moved), nil, Unknown, do(Retake), doubt}",
		"{0, in(Verified), on(Moved), nil, Promoted, do(Publish), works}",
	},
	{
		"the intent is cleared without a quarantine", "R9", tableFile,
		"{T21, in(Reauthing), on(AllThrough), nil, Settling, do(Quarantine, Try), nil}",
		"{T21, in(Reauthing), on(AllThrough), nil, Settling, do(Settle), nil}",
	},
	{
		"the rescue token is given up in doubt", "R2", tableFile,
		"do(Quarantine, Try), nil},\n\t{T22", "do(Forgo, Quarantine, Try), nil},\n\t{T22",
	},
	{
		"a late execution leaves the gate open", "F8", tableFile,
		"on(Rejected, Moved), nil, Unknown, do(ShutGate, Retake), executed}",
		"on(Rejected, Moved), nil, Unknown, do(Retake), executed}",
	},
	{
		"an unfinished rotation leaves the gate open", "F32", tableFile,
		"unfinished, Unknown, do(ShutGate, Retake), takeOver}", "unfinished, Unknown, do(Retake), takeOver}",
	},
	{"an unfinished rotation is not noticed", "T16", rulesFile, "return m.ledger.Unfinished }", "return m.ledger.Secrets < 0 }"},
	{"only the newest secret is tried", "T17", rulesFile, "return m.Secret+1 < m.ledger.Secrets }", "return m.ledger.Secrets < 0 }"},
	{
		"somebody else's reset is answered with another", "F36", rulesFile,
		"return (m.Ours || m.Heal) && m.ledger.Authorities > 0", "return m.ledger.Authorities > 0",
	},
	{
		"a lost reply locks out though somebody could reset", "T18", rulesFile,
		"return (m.Ours || m.Heal) && m.ledger.Authorities > 0", "return m.Heal && m.ledger.Authorities > 0",
	},
	{
		"only one authority is asked", "T18", rulesFile,
		"return m.Authority+1 < m.ledger.Authorities || m.Unheard }", "return m.ledger.Authorities < 0 }",
	},
	{"a reset without an answer is not counted", "R9", rulesFile, "\tm.Open++\n", ""},
	{"a recent reset is forgotten", "F8", rulesFile, "m.Open = max(m.Open, 1)", "m.Open = max(m.Open, 0)"},
	{"a reset of the key that was replaced is blamed", "F36", rulesFile, "\t\tm.Ours, m.Open = false, 0\n", ""},
	{"the second factor is asked for without end", "S23", rulesFile, "return m.Rounds < MaxRounds }", "return m.Rounds >= 0 }"},
	{"a reset that was not sent is sent again without end", "S23", rulesFile, "sure(m) && m.Sends < MaxUnsent", "sure(m) && m.Sends >= 0"},
}
