package main

// What tests drive.
type (
	Env       = env
	Result    = result
	Mode      = mode
	Rotations = rotations
	Orders    = orders
	Durable   = durable
	Streams   = streams
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
