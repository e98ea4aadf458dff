package storetest

import "testing"

// Names are those of the checks.
func Names() []string {
	var names []string
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

// Check runs one check against what tb stands for.
func Check(tb testing.TB, name string, opener Opener) {
	tb.Helper()
	for _, c := range checks {
		if c.name == name {
			c.run(&probe{TB: tb, opener: opener})
		}
	}
}

// Canary is in every secret.
const Canary = canary
