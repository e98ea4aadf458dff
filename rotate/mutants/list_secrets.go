package main

const (
	encodingFile = "rotate/encoding.go"
	keyringFile  = "rotate/keyring.go"
	keyFile      = "rotate/apikey.go"
	factorFile   = "rotate/secondfactor.go"
)

// secretMutants break how secrets are read, kept and handed out.
var secretMutants = []mutant{
	{
		"a record without a secret is taken", "F18", encodingFile,
		`if j.ClientID == "" || len(j.Current.Secret) == 0 {`, `if j.ClientID == "" {`,
	},
	{
		"a candidate without a secret is taken", "F18", encodingFile,
		"if len(c.Secret) == 0 {", "if c.Secret == nil && c.Generation == 1<<63 {",
	},
	{"candidates are not stored", "R10", encodingFile, "for _, c := range r.Candidates {", "for _, c := range r.Candidates[:0] {"},
	{
		"the intent is not stored", "R9", encodingFile,
		"Intent: r.Intent.toJSON(), Lease", "Lease",
	},
	{"what it does not know is skipped", "R10", encodingFile, "\td.DisallowUnknownFields()\n", ""},
	{
		"old credentials are published over new ones", "I8", keyringFile,
		"if c.Generation <= k.current.Generation {", "if c.Generation == k.current.Generation {",
	},
	{"the gate is never shut", "F32", keyringFile, "\t\tk.gate = make(chan struct{})\n", ""},
	{"the gate does not hold", "F32", keyringFile, "if gate == nil {", "if gate == nil || current.Generation > 0 {"},
	{
		"the gate stays shut after a promotion", "F32", keyringFile,
		"\tk.openLocked()\n\tk.mu.Unlock()\n\tif err == nil {", "\tk.mu.Unlock()\n\tif err == nil {",
	},
	{
		"a person who publishes opens the gate", "F32", keyringFile,
		"\tlisteners, err := k.publishLocked(c)\n\tk.mu.Unlock()\n\tk.tell(listeners...)",
		"\tlisteners, err := k.publishLocked(c)\n\tk.openLocked()\n\tk.mu.Unlock()\n\tk.tell(listeners...)",
	},
	{
		"a demand for the second factor is taken for a key", "F9", factorFile,
		`return string(m["security_key_authorization_required"]) == "true"`, `return len(m) == 0`,
	},
	{"a demand without its token is taken", "F9", factorFile, "if c.token.IsZero() {", "if len(c.public.Keys) > 1000 {"},
	{
		"a used code of the second factor ends the rotation", "F9", factorFile,
		"return e.Reason == reasonUsed || e.Reason == reasonTimeout", "return e.Reason == reasonTimeout",
	},
	{"what the exchange echoes is kept in errors", "R6", factorFile, "\tbare.Data = nil\n", ""},
	{
		"a field of the wrong type costs the secret", "F18", keyFile,
		`	odd = errors.Join(
		m.decode("timestamp", &millis),`,
		`	err = errors.Join(
		m.decode("timestamp", &millis),`,
	},
	{"a secret with escapes is taken as it stands", "F18", keyFile, `case bytes.IndexByte(raw, '\\') < 0:`, `case n > 1:`},
}
