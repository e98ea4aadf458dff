package main

const (
	replaceFile  = "rotate/replace.go"
	strategyFile = "rotate/strategy.go"
	removeFile   = "rotate/replace_remove.go"
	findFile     = "rotate/replace_find.go"
)

// replaceMutants break the strategy that replaces a key.
var replaceMutants = []mutant{
	{"a reset is sent beside a replacement", "R10", "rotate/preflight.go", "if record.Replacement != nil && !r.machine.Doubt {", "if false {"},
	{"a secret that is published just before a replacement ends it", "R14", "rotate/rotator.go", "if errors.Is(err, ErrUnfinished) {", "if false {"},
	{"an orphan is left", "I7", removeFile, "if key.Name == r.seen.Replacement.Name {", "if key.Name == r.id {"},
	{"the former client id is forgotten", "I7", strategyFile, "former := append(slices.Clone(r.Former), r.ClientID)", "former := slices.Clone(r.Former)"},
	{"a replacement is not named before the key is created", "I6", replaceFile, "record.Replacement = new(*named)\n", "record.Replacement = &Replacement{ID: named.ID, Sent: named.Sent}\n"},
	{"a fingerprint is stored for a private key", "I6", replaceFile, "key.Secret, key.PublicKey = private, public", "key.PublicKey = public"},
	{"a key of another public key is taken", "R1", replaceFile, `case key.PublicKey != "" && !isPublicHalf(`, `case key.PublicKey == "?" && !isPublicHalf(`},
	{"an asymmetric key is reset", "R13", "rotate/rotation.go", "r.cfg.TakeBack && !r.isAsymmetric()", "r.cfg.TakeBack"},
	{"an empty secret takes a secret's place", "R10", "rotate/lease.go", "if creds.Secret.IsZero() {", "if false {"},
	{"the account has no place, and nobody looks", "T2", "rotate/replace_check.go", "case len(keys) >= maxKeys:", "case len(keys) > maxKeys:"},
	{"an answer of the old key's number is taken", "F18", replaceFile, "case key.ID == 0 || key.ID == r.keyID:", "case key.ID < 0:"},
	{"an answer of another key's name is taken", "F18", replaceFile, "case key.Name != r.seen.Replacement.Name:", `case key.Name == "":`},
	{"an empty secret of a new key is taken", "F18", replaceFile, `case r.template.PublicKey == "" && (key.Secret.IsZero() || key.Secret.Equal(r.old.Secret)):`, "case key.ID < 0:"},
	{"a new key that may do less is taken", "R1", replaceFile, "if !slices.Contains(key.MaxScope, item) {", "if slices.Contains([]string(nil), item) {"},
	{"the new key has no features", "R1", replaceFile, "features: r.template.EnabledFeatures,", ""},
	{"a key is removed that a session uses", "R1", removeFile, "if s.Generation() < r.seen.Current.Generation {", "if s.Generation() > r.seen.Current.Generation {"},
	{"too many requests say that no key was created", "F12", replaceFile, "ok && refusal.Code == session.CodeTooManyRequests {", "ok && refusal.Code == 0 {"},
	{"a login that failed says that no key was created", "R9", replaceFile, "tried {\n\t\treturn false", "tried {\n\t\treturn true"},
	{"the lease ends in the overlap", "I8", replaceFile, "\t\tif err := r.hold(ctx); err != nil {\n\t\t\treturn err\n\t\t}\n\t}\n\treturn nil", "\t}\n\treturn nil"},
	{"a key with an IP whitelist is replaced", "T2", "rotate/replace_check.go", "case len(key.IPWhitelist) > 0:", "case len(key.IPWhitelist) > 99:"},
	{"a disabled key is replaced", "T2", "rotate/replace_check.go", "case !key.Enabled:", "case key.ID < 0:"},
	{"a key that may not create keys replaces itself", "T2", "rotate/replace_check.go", `!slices.Contains(key.MaxScope, "account:read_write"):`, "len(key.MaxScope) == 0:"},
	{"a list that was not seen is believed", "I7", removeFile, "r.listKeys(ctx, keyParams{})", "r.listKeys(ctx, keyParams{unasked: true})"},
	{"a list of another account is believed", "I7", removeFile, "return k.ClientID == r.seen.ClientID", "return true"},
	{"the spare store keeps the old client id", "R10", "rotate/persist.go", "record.KeyID, record.ClientID, record.Current = spare.KeyID, spare.ClientID, c", "record.KeyID, record.Current = spare.KeyID, c"},
	{"a key is created without the lease", "I7", replaceFile, "publicKey: public,\n\t\t}, r.hold)", "publicKey: public,\n\t\t}, nil)"},
	{"a key that could not be stored is left", "I7", removeFile, "if !isAnothers(cause) {", "if true {"},
	{"what was sent without the lease and not answered is left", "I7", replaceFile, "if isAnothers(err) && cause != nil && !surelyNot(cause) && p.KeyID == 0 {", "if p.KeyID < 0 {"},
	{"a creation that was put on record again is forgotten", "I7", removeFile, "if p.Sent.Equal(sent) {", "if p.Sent.Equal(sent) || p.KeyID == 0 {"},
	{"the lease is not kept while a person is asked", "R9", "rotate/manage.go", "err := r.keepLease(ctx)\n", "err := error(nil)\n"},
	{"a person is asked without end when keys are managed", "S23", "rotate/manage.go", "if asked == maxRounds {", "if false {"},
	{"a key in use is removed", "R2", removeFile, "if len(users) == 0 {", "if true {"},
	{"any answer to a removal is believed", "I7", removeFile, "if err == nil && done {", "if err == nil && (done || id != 0) {"},
	{"a key of another public half is found", "R2", findFile, "return isPublicHalf(k.PublicKey, private)", `return k.PublicKey != ""`},
	{"a creation that may yet be executed is not looked for again", "R2", findFile, "if errors.Is(err, errUnfound) && !errors.Is(err, errNoFinder) {", "if false {"},
	{"what could stand in for a dead key is removed", "R2", removeFile, "if r.seen.Replacement.isFindable() {", "if false {"},
	{"the old key's secret is forgotten", "R2", strategyFile, "p.Secret, p.Promoted = r.Current.Secret, now", "p.Secret, p.Promoted = session.Secret{}, now"},
	{"the old key is removed though the new one is dead", "R2", removeFile, "r.checkCurrent(ctx), ", ""},
	{"nobody comes back to the old key", "R14", "rotate/replace_return.go", "!errors.Is(r.checkCurrent(ctx), errNewRefused)", "true"},
	{"a key removes itself", "R2", replaceFile, " || r.moveAuthority(ctx, old) == core.SomeLeft {", " {"},
	{"what a lost connection does not say is not asked again", "R14", removeFile, "!unanswered || time.Since(begun) > r.cfg.SessionTimeout {", "!unanswered || !begun.IsZero() {"},
	{"an authority is left with the old key", "T2", "rotate/replace_check.go", "!ok || s.Generation() != r.cfg.Keyring.Current().Generation {", "!ok && s != nil {"},
}
