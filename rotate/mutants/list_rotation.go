package main

const (
	resetFile     = "rotate/reset.go"
	verifyFile    = "rotate/verify.go"
	journalFile   = "rotate/journal.go"
	persistFile   = "rotate/persist.go"
	authorityFile = "rotate/authority.go"
	preflightFile = "rotate/preflight.go"
	wavesFile     = "rotate/reauthenticate.go"
	fleetFile     = "rotate/fleet.go"
	watchFile     = "rotate/watch.go"
	proveFile     = "session/probe.go"
	loopFile      = "rotate/schedule_loop.go"
	leaseFile     = "rotate/lease.go"
)

// rotationMutants break what a rotation makes of answers, and what it does.
var rotationMutants = []mutant{
	{"the secret of another key is taken", "F18", resetFile, "case key.ID != r.keyID:", "case key.ID < 0:"},
	{"the secret of another client id is taken", "F18", resetFile, "case key.ClientID != r.report.ClientID:", `case key.ClientID == "":`},
	{"an empty secret is taken", "F18", resetFile, "case key.Secret.IsZero():", "case key.ID < 0:"},
	{"the old secret is taken for a new one", "F18", resetFile, "case key.Secret.Equal(r.old.Secret):", "case key.ID < 0:"},
	{
		"the new secret of another key is thrown away", "R10", resetFile,
		"if key.Secret.IsZero() || key.Secret.Equal(r.old.Secret) {", "if key.ID != 0 || key.Secret.IsZero() {",
	},
	{
		"a reset that was written is sent again", "R7", resetFile,
		"ok && unsent.Outcome == rpc.NotSent {", "ok && unsent.Outcome <= rpc.NotSent {",
	},
	{"a reset without an answer counts as refused", "R9", resetFile, "if !rpc.SafeToRetry(err) {", "if err == nil {"},
	{
		"too many requests are a refusal", "F12", resetFile,
		"if ok && refusal.Code == session.CodeTooManyRequests {", "if ok && refusal.Code == 0 {",
	},
	{
		"a Close gives up the answer to a reset", "I7", resetFile,
		"case <-sent.done:\n\tcase <-ctx.Done():", "case <-sent.done:\n\tcase <-r.closing:\n\tcase <-ctx.Done():",
	},
	{"a code that was missed is forgotten when others refuse", "I7", resetFile, "r.machine.Authority == 0 { //", "r.machine.Authority >= 0 { //"},
	{"a missed code ends Run", "I7", "rotate/schedule_loop.go", "lockedOut && !isMissedCode(locked.Err) ||", "lockedOut && locked != nil ||"},
	{"a key that took the place meanwhile is not noticed", "F25", "rotate/lease.go", "\tif replaced {\n", "\tif replaced && r.epoch == 0 {\n"},
	{"the stamp is older than the reset", "R9", resetFile, "return core.NotSent, r.stamp(ctx)", "return core.NotSent, nil"},
	{"a reset is sent by a rescue token without the lease", "R9", authorityFile, "\t\tlost = record.arm(", "\t\t_ = record.arm("},
	{"the quarantine begins before the reset has left", "F8", resetFile, "r.late, r.unanswered = nil, *sent.made.Load()", "r.late = nil"},
	{"who is locked out has the next generation from an old one", "I7", "rotate/rotation.go", "errors.Join(r.err, r.adopt(r.seen))", "r.err"},
	{"a silence is taken for a refusal", "F23", verifyFile, "(err); !refused {\n\t\treturn false", "(err); !refused {\n\t\treturn err != nil"},

	{
		"what a person has published outranks the secret", "R14", verifyFile,
		"record.Current.Generation = max(record.Current.Generation, published.Generation+1)", "record.Current.Rotation = r.id",
	},
	{"a check finishes what is unfinished", "T3", leaseFile, "if r.trigger == TriggerCheck && record.isUnfinished() {", "if false {"},
	{"a dry run recovers", "T3", loopFile, "want.trigger = triggerFollow", "want.trigger = TriggerRecover"},
	{"a quarantine takes no time", "F8", verifyFile, "pause(ctx, r.closing, max(left, 0))", "pause(ctx, r.closing, min(left, 0))"},
	{"the rescue token has a session of the fleet dropped", "T2", fleetFile, "len(names) > maxNamed-2", "len(names) > maxNamed"},
	{"orders that a reset may cancel are not spoken of", "T2", fleetFile, "s.CancelsOnDisconnect() {", "s.CancelsOnDisconnect() && len(names) > 0 {"},
	{"a refusal is the last word while an intent stands", "F33", watchFile, "!f.isRefused(*refused))", "f.generation() > 0)"},
	{"a refused secret is tried as long as the store is down", "F33", watchFile, "err != nil && f.isRefused(refused):", "err != nil && f.generation() == 0:"},
	{"a settled rotation leaves the refusal as the last word", "F33", watchFile, "case waited && f.generation() <= refused:", "case waited && f.generation() == 0:"},
	{"a session that follows another key's store tries for ever", "F33", watchFile, "*refused = 0", "*refused += 0"},
	{"a record from before a rotation makes a refusal the last word", "F33", watchFile, "max(refused, f.refused.Load())", "f.refused.Load()"},
	{"a login that another's refusal concerns is tried", "F33", watchFile, "max(refused, f.refused.Load())", "refused"},
	{"a login is given a Load that began before it", "F33", watchFile, "if began || late {", "if began || !late {"},
	{"a login that gives up ends the Load of others", "F33", watchFile, "journal.load(context.WithoutCancel(ctx))", "journal.load(ctx)"},
	{"channels of another process stay silent", "F29", watchFile, " || f.followed < generation {", " {"},
	{"channels that nothing proves are taken to be whole", "R3", proveFile, "renewed && !s.cfg.SubscriptionsSurvive", "renewed && s.cfg.SubscriptionsSurvive"},
	{"a loss is marked each time that somebody looks", "R3", proveFile, "\tl.proved = now\n", ""},
	{"a recovery says nothing of channels", "I9", wavesFile, "\t\t\thad = s.Channels()\n", "\t\t\thad = nil\n"},
	{"sessions re-authenticate in a burst", "T20", wavesFile, "r.turn = time.Now().Add(r.cfg.Stagger)", "r.turn = time.Now()"},
	{"a session that needs no turn waits for one", "T20", wavesFile, "if s.Generation() >= r.secret.Generation {\n\t\treturn\n", "if s == nil {\n\t\treturn\n"},
	{"nobody is told that a secret is unsaved", "F20", persistFile, "if hook := r.cfg.Hooks.OnUnsaved; hook != nil {", "if hook := r.cfg.Hooks.OnUnsaved; hook != nil && r.err == nil {"},
	{
		"a store that hangs is waited for each time", "F20", journalFile,
		"began != nil && time.Since(*began) >= j.timeout {", "began != nil && time.Since(*began) < 0 {",
	},
	{"a store that hangs is asked again", "F20", journalFile, "make(chan struct{}, 1)}", "make(chan struct{}, 64)}"},
	{"Close waits for no store", "F20", journalFile, "\tcase j.turn <- struct{}{}:\n\t\t<-j.turn\n", "\tdefault:\n"},
	{"an impatient Close leaves a secret in memory", "R1", persistFile, "\t\tctx = context.WithoutCancel(ctx)\n", ""},
	{
		"an impatient Close tells nobody of a secret", "F20", persistFile,
		"r.notify(context.WithoutCancel(ctx), \"OnUnsaved\"", "r.notify(ctx, \"OnUnsaved\"",
	},
	{
		"an impatient Close leaves a secret out of the second store", "F20", persistFile,
		"r.toSpare(context.WithoutCancel(ctx), r.secret)", "r.toSpare(ctx, r.secret)",
	},
	{
		"an impatient Close leaves an intent", "F1", "rotate/rotation.go",
		"\tctx = context.WithoutCancel(ctx)\n\t_, err := r.journal", "\t_, err := r.journal",
	},
	{"an impatient Close leaves the lease", "F1", "rotate/lease.go", "\tctx = context.WithoutCancel(ctx)\n", ""},
	{
		"a rescue token is used before the next one is stored", "F38", authorityFile,
		"record.raise(a.id, time.Now()).Rescue = a.rescue", "record.raise(a.id, time.Now())",
	},
	{"no rescue token is minted", "R2", authorityFile, "\tif r.isIndependent(r.cfg.Authority) {\n\t\treturn nil", "\tif r.cfg.Sessions != nil {\n\t\treturn nil"},
	{"nobody could reset the key again, and it is reset", "F14", preflightFile, "return ErrNoRecoveryAuthority", "return nil"},
	{"a session of the key counts as another key's", "F14", authorityFile, `return id != "" && id != r.report.ClientID`, `return id != ""`},
	{"who is of no known key counts as another key's", "F14", authorityFile, `id != "" && `, ""},
	{"a rescue token cannot be had, and the key is reset", "F5", authorityFile, "\tif r.cfg.AcceptLockout {", "\tif r.cfg.AcceptLockout || r.cfg.TokensSurvive {"},
	{"a rescue token lives for a year", "F5", authorityFile, "account:read_write expires:3600", "account:read_write"},
}
