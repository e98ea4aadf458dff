package main

// What tests drive.
type (
	Env        = env
	Result     = result
	Mode       = mode
	Rotations  = rotations
	Orders     = orders
	Durable    = durable
	Calls      = calls
	Reconnects = reconnects
	Slow       = slow
	Handovers  = handovers
	Pair       = pair
	Losses     = losses
	Streams    = streams
)

// Run makes one run.
var Run = Mode.run

// Command is the program with arguments.
var Command = run

// ServeStdio and ServeArg are the double's process.
var ServeStdio = serveStdio

const ServeArg = serveArg

// Broken names the figures that break a promise.
func (r *result) Broken() (names []string) {
	for _, f := range r.Figures {
		if f.Broken {
			names = append(names, f.What)
		}
	}
	return names
}

// Hold says what is wrong with an order of that outcome that was executed so often.
func Hold(was string, executed int) string {
	var t tally
	t.hold(map[string]outcome{"answered": answered, "refused": refused, "not sent": notSent, "unknown": unknown}[was], executed)
	switch {
	case t.missing > 0:
		return "missing"
	case t.resent > 0:
		return "resent"
	case t.denied > 0:
		return "denied"
	}
	return ""
}
