package main

const (
	replaceFile  = "rotate/replace.go"
	strategyFile = "rotate/strategy.go"
)

// replaceMutants break the strategy that replaces a key.
var replaceMutants = []mutant{
	{"a reset is sent beside a replacement", "R10", "rotate/preflight.go", "if record.Replacement != nil && !r.machine.Doubt {", "if false {"},
	{"an orphan is left", "I7", replaceFile, "if key.Name == r.seen.Replacement.Name {", "if key.Name == r.id {"},
	{"the former client id is forgotten", "I7", strategyFile, "former := append(slices.Clone(r.Former), r.ClientID)", "former := slices.Clone(r.Former)"},
	{"a replacement is not named before the key is created", "I6", replaceFile, "record.Replacement = new(*named)\n", "record.Replacement = &Replacement{ID: named.ID, Sent: named.Sent}\n"},
	{"a fingerprint is stored for a private key", "I6", replaceFile, "key.Secret, key.PublicKey = private, public", "key.PublicKey = public"},
	{"a key of another public key is taken", "R1", replaceFile, `case key.PublicKey != "" && !isPublicHalf(`, `case key.PublicKey == "?" && !isPublicHalf(`},
	{"an asymmetric key is reset", "R13", "rotate/rotation.go", "r.cfg.TakeBack && !r.isAsymmetric()", "r.cfg.TakeBack"},
	{"an empty secret takes a secret's place", "R10", "rotate/lease.go", "if creds.Secret.IsZero() {", "if false {"},
	{"the account has no place, and nobody looks", "T2", "rotate/replace_check.go", "case len(keys) >= maxKeys:", "case len(keys) > maxKeys:"},
}
