package main

import (
	"flag"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// asked are the flags of the modes.
type asked struct {
	sessions, subscribed int
	reset                deribittest.ResetBehaviour

	rotations count
}

func newAsked(flags *flag.FlagSet) *asked {
	a := &asked{}
	flags.Var(&a.rotations, "rotations", "rotate so often, and look at what is left behind")
	flags.IntVar(&a.sessions, "sessions", 16, "sessions that share the key")
	flags.IntVar(&a.subscribed, "subscribed", 0,
		"of them with channels: each costs 310 ms in each rotation, for credits pace the verification")
	flags.TextVar(&a.reset, "behaviour", deribittest.TokensKept,
		"what a reset does to what the key had authenticated: tokens-kept, tokens-revoked or sockets-closed")
	return a
}

// modes are the runs that the flags ask for.
func (a *asked) modes() (all []mode) {
	if a.rotations > 0 {
		all = append(all, rotations{Count: int(a.rotations), Sessions: a.sessions, Subscribed: a.subscribed, Reset: a.reset})
	}
	return all
}
