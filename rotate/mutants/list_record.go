package main

const recordFile = "rotate/record.go"

// recordMutants break what rotations do to a record.
var recordMutants = []mutant{
	{
		"a candidate takes the place of the others", "R10", recordFile,
		"append(slices.Clone(r.Candidates), c)", "append(slices.Clone(r.Candidates[:0]), c)",
	},
	{"a candidate is not added", "R1", recordFile, "\tr.Candidates = append(slices.Clone(r.Candidates), c)\n", ""},
	{
		"a promotion drops all candidates", "R10", recordFile,
		"return now.Sub(other.Received) > candidateGrace || other.Secret.Equal(c.Secret)", "return !now.IsZero()",
	},
	{"a promotion drops no candidate ever", "R15", recordFile, "return now.Sub(other.Received) > candidateGrace || ", "return "},
	{
		"a promotion goes back to an older generation", "I8", recordFile,
		"c.Generation = max(c.Generation, r.Current.Generation+1)", "c.Generation = min(c.Generation, r.Current.Generation)",
	},
	{
		"the oldest candidate is tried first", "F22", recordFile,
		"cmp.Compare(b.Generation, a.Generation)", "cmp.Compare(a.Generation, b.Generation)",
	},
	{
		"a candidate that came meanwhile is not looked at", "F26", recordFile,
		"\t\t\treturn errMoved\n", "\t\t\tcontinue\n",
	},
	{
		"the lease of another is taken", "I8", recordFile,
		"old.isHeld(now, h.ttl) && old.Owner != h.owner", `old.isHeld(now, h.ttl) && old.Owner == "nobody"`,
	},
	{"a lease by a clock that is off is waited for", "F33", recordFile, " && l.Expires.Before(now.Add(2*ttl))", " && ttl > 0"},
	{"the epoch of a lease does not rise", "F25", recordFile, "next.Epoch = old.Epoch + 1", "next.Epoch = old.Epoch"},
	{
		"a lost lease is not noticed", "F25", recordFile,
		"return r.Lease != nil && r.Lease.Owner == h.owner && r.Lease.Epoch == h.epoch", "return r.Lease != nil",
	},
	{
		"the intent does not say that a reset was sent", "F8", recordFile,
		"intent.ID, intent.Sent = id, now", "intent.ID = id",
	},
	{
		"who stores a candidate raises no intent", "I7", recordFile,
		`	if intent := r.raise(id, now); intent.ID == id {
		intent.Sent = unanswered
	}
`, "",
	},
	{
		"an answered reset counts as open", "F8", recordFile,
		"\t\tintent.Sent = unanswered\n", "\t\tintent.Sent = now\n",
	},
}
