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
	{"the account has no place, and nobody looks", "T2", "rotate/replace_check.go", "case len(keys) >= maxKeys:", "case len(keys) > maxKeys:"},
}
