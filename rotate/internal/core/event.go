package core

import "fmt"

// EventKind says what has happened.
type EventKind uint8

// The events. Each answers an effect.
const (
	// LeaseTaken and LeaseRefused answer TakeLease. Retaken and NotRetaken answer Retake.
	LeaseTaken EventKind = iota
	LeaseRefused
	Retaken
	NotRetaken
	// Checked and CheckFailed answer Check.
	Checked
	CheckFailed
	// Intended and NotIntended answer Intend, Armed and NotArmed answer Arm.
	Intended
	NotIntended
	Armed
	NotArmed
	// KeyCame answers Send and AwaitReply: a well-formed reply with a new secret of the right key.
	KeyCame
	// The rest of what answers Send.
	ChallengeCame
	FactorRefused // the code was wrong: another one will not help
	FactorStale   // the code was late or used: the next one may do
	Refused       // surely not executed; this authority will not have it
	NotSent       // no byte has left
	TooMany       // error 10028
	NoAnswer      // a byte may have left, and no reply that makes sense came
	// CodeGiven and NoCode answer AskCode.
	CodeGiven
	NoCode
	// Stored and NotStored answer Store.
	Stored
	NotStored
	// Accepted, Rejected and Unreachable answer Try. Only the exchange's own word about the secret is a rejection.
	Accepted
	Rejected
	Unreachable
	// Swapped, NotSwapped and Moved answer Promote and Settle. Moved is a lost lease, or a candidate that was not there when
	// the secret was tried.
	Swapped
	NotSwapped
	Moved
	// Published answers Publish.
	Published
	// AllThrough and SomeLeft answer Reauthenticate.
	AllThrough
	SomeLeft
	// Released answers Release.
	Released
	// Stopped answers whatever waits or tries again, when the rotator closes.
	Stopped

	eventKinds = int(Stopped) + 1
)

// String returns the event's name.
func (k EventKind) String() string {
	names := [eventKinds]string{
		"LeaseTaken", "LeaseRefused", "Retaken", "NotRetaken", "Checked", "CheckFailed", "Intended", "NotIntended", "Armed", "NotArmed",
		"KeyCame", "ChallengeCame", "FactorRefused", "FactorStale", "Refused", "NotSent", "TooMany", "NoAnswer", "CodeGiven", "NoCode",
		"Stored", "NotStored", "Accepted", "Rejected", "Unreachable", "Swapped", "NotSwapped", "Moved", "Published",
		"AllThrough", "SomeLeft", "Released", "Stopped",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// Event is what has happened.
type Event struct {
	Kind EventKind
	// Ledger comes with LeaseTaken and Retaken.
	Ledger Ledger
}

// Ledger is what the store's record says, and who could reset the key.
type Ledger struct {
	Unfinished  bool // it has an intent
	Secrets     int  // that can be tried, at least one
	News        bool // one of them was not there when the record was last looked at
	Replaced    bool // it is of another key by now, whose secret no reset can have ended that was sent before
	Sent        bool // a reset under the record's intent may have left, without an answer that is known
	Recent      bool // and so lately that it may yet be executed
	Authorities int  // that could reset the key
	Independent bool // the first of them lives on whatever a reset does to the key's tokens
}
