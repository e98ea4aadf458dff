package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session/transport/coderws"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

// options are what the flags say.
type options struct {
	env
	json  bool
	modes []mode
}

// count is a whole number that may be written as 1e7.
type count int

// String implements [flag.Value].
func (c *count) String() string { return strconv.Itoa(int(*c)) }

// Set implements [flag.Value].
func (c *count) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 || n > 1e12 || n != math.Trunc(n) {
		return errors.New("not a count")
	}
	*c = count(n)
	return nil
}

var dialers = map[string]rpc.Dialer{"nhooyr": nhooyrws.Dialer{}, "coder": coderws.Dialer{}, "lean": leanws.Dialer{}}

var errNoMode = errors.New("nothing to do: give one of -rotations N and its like; -h tells the flags")

func parse(args []string, told io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(told)
	a := newAsked(flags)
	transport := flags.String("transport", "nhooyr", "what carries the sessions: nhooyr, coder or lean")
	flags.BoolVar(&o.InProcess, "in-process", false, "the simulated exchange shares the process")
	flags.BoolVar(&o.Apart, "apart", false, "the simulated exchange has the last processor core for itself, and the rest of the run the others")
	flags.BoolVar(&o.json, "json", false, "print one JSON object for each run, not a table")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.Dialer, o.Progress = dialers[*transport], told
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.Dialer == nil:
		return o, fmt.Errorf("-transport: %q is none of nhooyr, coder and lean", *transport)
	}
	if err := a.check(); err != nil {
		return o, err
	}
	if o.modes = a.modes(); len(o.modes) == 0 {
		return o, errNoMode
	}
	return o, nil
}
