package core

import "slices"

// row is a row of the table.
type row struct {
	number Transition
	from   []State
	on     []EventKind
	when   func(Machine) bool // nil for always
	to     State
	do     []Effect
	then   func(*Machine) // what changes beside the state; nil for nothing
}

func (r row) applies(m Machine, e Event) bool {
	return (r.from == nil || slices.Contains(r.from, m.State)) && slices.Contains(r.on, e.Kind) && (r.when == nil || r.when(m))
}

// same is the target of a row that leaves the state as it is.
const same = State(States)

func in(s ...State) []State         { return s }
func on(e ...EventKind) []EventKind { return e }
func do(e ...Effect) []Effect       { return e }

// anywhere is a row for every state.
var anywhere []State

// undo ends a rotation that was not executed.
var undo = do(ClearIntent, OpenGate, Forgo, Release)

// table is the failure model's. The first row that fits applies. A row without a number is a step within what the model calls one.
var table = []row{
	// Before the reset nothing is at stake: what stands in the way ends the rotation.
	{T1, in(Idle), on(LeaseTaken), unfinished, Unknown, do(ShutGate, Retake), takeOver},
	{T1, in(Idle), on(LeaseTaken), recovering, Leased, do(Try), nil}, // there was something, but somebody has finished it
	{T1, in(Idle), on(LeaseTaken), nil, Leased, do(Check), nil},
	{0, in(Idle), on(LeaseRefused), nil, Idle, nil, nil},
	{T3, in(Leased), on(Accepted, Stopped), nil, Aborted, undo, nil},
	{0, in(Leased), on(Rejected), nil, Unknown, do(ShutGate, Retake), takeOver},
	{T3, in(Leased), on(Checked), previewing, Aborted, undo, nil},
	{0, in(Leased), on(Checked), nil, Leased, do(Intend), nil},
	{T2, in(Leased), on(Intended), nil, Prepared, do(Arm), nil},
	{T3, in(Leased), on(CheckFailed, NotIntended), nil, Aborted, undo, nil},
	{T3, in(Prepared), on(NotArmed, Stopped), nil, Aborted, undo, nil},

	// The reset.
	{T4, in(Prepared), on(Armed), nil, Resetting, do(ShutGate, Send), sent},
	{T9, in(Resetting), on(KeyCame), nil, Received, do(Store), answered},
	{T10, in(Resetting), on(NoAnswer), nil, Unknown, do(AwaitReply, Retake), lost},
	{T8, in(Resetting), on(TooMany), nil, Unknown, do(Retake), lost},
	{T4, in(Resetting), on(NotSent), sendAgain, Prepared, do(Arm), unsent},

	// The second factor. The old secret works meanwhile, if it did before.
	{T5, in(Resetting), on(ChallengeCame), sureRound, Challenged, do(OpenGate, AskCode), asked},
	{T5, in(Resetting), on(ChallengeCame), roundLeft, Challenged, do(AskCode), asked},
	{T6, in(Resetting), on(FactorStale), roundLeft, Challenged, do(Arm), nil},
	{0, in(Challenged), on(CodeGiven), nil, Challenged, do(Arm), nil},
	{T5, in(Challenged), on(Armed), nil, Resetting, do(ShutGate, Send), sent},
	{T6, in(Challenged), on(NotArmed, Stopped), sure, Aborted, undo, nil},
	{0, in(Challenged), on(NotArmed), nil, Unknown, do(Retake), again},

	// This authority did not reset the key.
	{T6, in(Challenged), on(NoCode), sure, Aborted, undo, nil},
	{T6, in(Resetting), on(ChallengeCame, FactorStale, FactorRefused), sure, Aborted, undo, nil},
	{T7, in(Resetting), on(Refused, NotSent), sure, Aborted, undo, nil},
	{T7, in(Resetting), on(NotSent), nil, Probing, do(Arm), unheard},
	{T6, in(Challenged), on(NoCode), moreLeft, Probing, do(Arm), nextAuthority},
	{T6, in(Resetting), on(ChallengeCame, FactorStale, FactorRefused), moreLeft, Probing, do(Arm), nextAuthority},
	{T7, in(Resetting), on(Refused), moreLeft, Probing, do(Arm), nextAuthority},
	{T19, in(Challenged, Resetting), on(NoCode, ChallengeCame, FactorStale, FactorRefused, Refused), nil, LockedOut, do(Release), nil},

	// The new secret is stored before anything else is done with it, and tried before it is used.
	{T11, in(Received, Unsaved), on(Stored), nil, Durable, do(Try), nil},
	{T12, in(Received), on(NotStored), nil, Unsaved, do(TellUnsaved, Store), again},
	{0, in(Unsaved), on(NotStored), nil, Unsaved, do(Store), again},
	{T13, in(Durable), on(Accepted), nil, Verified, do(Promote), nil},
	{T14, in(Durable), on(Rejected), nil, Unknown, do(Retake), doubt},
	{0, in(Leased, Durable, Probing, Settling, Degraded), on(Unreachable), nil, same, do(Try), again},
	{T15, in(Verified), on(Swapped), nil, Promoted, do(Publish), works},
	{0, in(Verified), on(NotSwapped), nil, same, do(Promote), again},
	{0, in(Verified), on(Moved), nil, Unknown, do(Retake), doubt},

	// The sessions take it.
	{T20, in(Promoted), on(Published), nil, Reauthing, do(Reauthenticate), nil},
	{T21, in(Reauthing), on(AllThrough), closed, Settling, do(Forgo, Release), nil},
	{T21, in(Reauthing), on(AllThrough), nil, Settling, do(Quarantine, Try), nil},
	{T22, in(Reauthing), on(SomeLeft), closed, Degraded, do(Forgo, Release), nil},
	{T22, in(Reauthing), on(SomeLeft), nil, Degraded, do(Quarantine, Try), nil},

	// While a reset may yet be executed, the intent stands.
	{0, in(Settling, Degraded), on(Accepted), nil, same, do(Settle), fresh},
	{0, in(Settling, Degraded), on(NotSwapped), nil, same, do(Settle), again},
	{0, in(Settling, Degraded), on(Swapped), nil, same, do(Forgo, Release), settled},
	{T24, in(Settling, Degraded), on(Rejected, Moved), nil, Unknown, do(ShutGate, Retake), executed},
	{T23, in(Settling), on(Released), closed, Idle, nil, nil},

	// What nobody knows, the exchange is asked: the known secrets first, then for another one.
	{T9, in(Unknown), on(KeyCame), nil, Received, do(Store), found},
	{T19, in(Unknown), on(Retaken), nothingNew, LockedOut, do(Release), nil},
	{T16, in(Unknown), on(Retaken), nil, Probing, do(Try), learn},
	{0, in(Unknown), on(NotRetaken), nil, same, do(Retake), again},
	{T17, in(Probing), on(Accepted), nil, Verified, do(Promote), nil},
	{0, in(Probing), on(Rejected), secretLeft, same, do(Try), nextSecret},
	{0, in(Probing), on(Rejected), mayAppeal, same, do(Arm), appeal},
	{0, in(Probing), on(Rejected), unconfirmed, Unknown, do(Retake), confirm}, // somebody may have taken over meanwhile
	{T19, in(Probing), on(Rejected), nil, LockedOut, do(Release), nil},
	{T18, in(Probing), on(Armed), nil, Resetting, do(Send), sent},
	{0, in(Probing), on(NotArmed), nil, Unknown, do(Retake), again},

	// Ends.
	{0, in(Aborted), on(Released), nil, Idle, nil, nil},
	{0, anywhere, on(Released), nil, same, nil, nil},
	{0, anywhere, on(Stopped), nil, same, do(Release), nil},
}
