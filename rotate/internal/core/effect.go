package core

import "fmt"

// Effect is something to do. What it is to be done with is in the Machine that comes with it.
type Effect uint8

// The effects.
const (
	// TakeLease takes the lease. Retake does so again if it was lost, waits for whoever has it, and has the record say that its
	// current secret may be dead.
	TakeLease Effect = iota
	Retake
	// Check is the preflight.
	Check
	// Intend writes the intent.
	Intend
	// Arm asks for the last time whether the reset may be sent, renews the lease and stamps the intent: from here on the reset
	// may have left.
	Arm
	// Send sends the reset by authority number Machine.Authority. If it had to wait for that, it renews the lease and the stamp just before.
	Send
	// AskCode has the second factor answered.
	AskCode
	// AwaitReply waits for the reply to a reset while the connection lives that carried it. It has an answer only if one comes.
	AwaitReply
	// Store appends the new secret to the candidates, whoever has the lease.
	Store
	// TellUnsaved tells the operator that the one copy of the new secret is in memory, and puts it where else it can be kept.
	TellUnsaved
	// Try authenticates on a connection of its own: in Durable with the secret that has come, in Probing with secret number
	// Machine.Secret of the record, the newest being 0, elsewhere with the current one.
	Try
	// Promote makes the secret that was accepted the current one, and clears the intent unless Machine.Open is above 0.
	Promote
	// Publish gives the current secret to the sessions and opens the gate for new authentications.
	Publish
	// Reauthenticate has the sessions take it.
	Reauthenticate
	// Quarantine waits until no reset that was sent can be executed any more.
	Quarantine
	// Settle clears the intent if no candidate has been added since the secret was tried.
	Settle
	// ShutGate makes new authentications wait, OpenGate lets them go on.
	ShutGate
	OpenGate
	// ClearIntent clears the intent of a rotation that was not executed.
	ClearIntent
	// Forgo gives up the rescue token. Release gives up the lease.
	Forgo
	Release

	effects = int(Release) + 1
)

// String returns the effect's name.
func (e Effect) String() string {
	names := [effects]string{
		"TakeLease", "Retake", "Check", "Intend", "Arm", "Send", "AskCode", "AwaitReply", "Store", "TellUnsaved", "Try", "Promote",
		"Publish", "Reauthenticate", "Quarantine", "Settle", "ShutGate", "OpenGate", "ClearIntent", "Forgo", "Release",
	}
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("effect(%d)", uint8(e))
}

// answers are the events with which an effect may end.
var answers = map[Effect][]EventKind{
	TakeLease:      {LeaseTaken, LeaseRefused},
	Retake:         {Retaken, NotRetaken, Stopped},
	Check:          {Checked, CheckFailed},
	Intend:         {Intended, NotIntended},
	Arm:            {Armed, NotArmed, Stopped},
	Send:           {KeyCame, ChallengeCame, FactorRefused, FactorStale, Refused, NotSent, TooMany, NoAnswer},
	AskCode:        {CodeGiven, NoCode},
	AwaitReply:     {KeyCame},
	Store:          {Stored, NotStored, Stopped},
	Try:            {Accepted, Rejected, Unreachable, Stopped},
	Promote:        {Swapped, NotSwapped, Moved, Stopped},
	Publish:        {Published},
	Reauthenticate: {AllThrough, SomeLeft},
	Quarantine:     {Stopped},
	Settle:         {Swapped, NotSwapped, Moved, Stopped},
	Release:        {Released},
}

// Answers are the events with which an effect may end. silent reports whether it may also end without one.
func (e Effect) Answers() (kinds []EventKind, silent bool) {
	kinds = answers[e]
	return kinds, len(kinds) == 0 || e == AwaitReply || e == Quarantine
}

// Effects are how many there are.
const Effects = effects
