package main

const (
	resetFile = "rotate/reset.go"
	leaseFile = "rotate/lease.go"
)

// rotationMutants break the protocol.
var rotationMutants = []mutant{
	{"the secret of another key is taken", "F18", resetFile, "case key.ID != r.keyID:", "case key.ID < 0:"},
	{"the secret of another client id is taken", "F18", resetFile, "case key.ClientID != r.report.ClientID:", `case key.ClientID == "":`},
	{"an empty secret is taken", "F18", resetFile, "case key.Secret.IsZero():", "case key.ID < 0:"},
	{"the lease of another is taken", "I8", leaseFile, "old.Owner != r.owner && now.Before(old.Expires)", `old.Owner == "nobody" && now.Before(old.Expires)`},
}
