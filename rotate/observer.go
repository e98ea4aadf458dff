package rotate

import "context"

// An Observer is told of rotations and their steps. Package telemetry implements it for OpenTelemetry. Its methods are
// called concurrently, never under a lock; they must be fast and must not call the Rotator. A nil Observer costs one
// branch.
type Observer interface {
	// RotationStart is called when a rotation or a recovery begins. The context that it returns is given to the steps, and
	// the function is called once at the end.
	RotationStart(ctx context.Context, rotation Rotation) (context.Context, func(RotationEnd))
	// RotationStep is called before a step. The context that it returns is given to the calls within the step, and the
	// function is called once at the step's end, with why it failed or nil.
	RotationStep(ctx context.Context, step Step) (context.Context, func(error))
}

// Trigger says what began a rotation.
type Trigger string

// The triggers.
const (
	TriggerRotate  Trigger = "rotate"  // a call of Rotate
	TriggerRecover Trigger = "recover" // a call of Recover, or a Rotate that found an unfinished rotation
	TriggerCheck   Trigger = "check"   // a call of Check
)

// Rotation describes a rotation that begins.
type Rotation struct {
	ID       string // unique, and no secret
	KeyID    int64  // 0 if it has yet to be looked up
	ClientID string
	Trigger  Trigger
}

// RotationEnd tells how a rotation ended.
type RotationEnd struct {
	Err    error
	Report Report
}

// StepKind names a step of a rotation.
type StepKind string

// The steps, in their order. A recovery has lease, verify and what follows.
const (
	StepLease          StepKind = "lease"
	StepPreflight      StepKind = "preflight"
	StepIntent         StepKind = "intent"
	StepReset          StepKind = "reset"
	StepCreate         StepKind = "create" // in the place of a reset with the strategy Replace
	StepStore          StepKind = "store"
	StepVerify         StepKind = "verify"
	StepPublish        StepKind = "publish"
	StepReauthenticate StepKind = "reauthenticate" // one for each session
	StepRemove         StepKind = "remove"         // of the old key, with the strategy Replace
)

// Step describes a step that begins.
type Step struct {
	Kind    StepKind
	Session string // the session's name in StepReauthenticate, else empty
}
