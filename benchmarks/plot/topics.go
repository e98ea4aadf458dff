package main

// A topic is what one benchmark tells: a table, and pictures.
type topic struct {
	benchmark string // its name, without Benchmark
	question  string
	columns   []string // units; the first is shown with its spread
	targets   []target // for the first of columns
	pictures  []picture
}

// A picture has a line for each row that it is about, and on it a dot for each unit.
type picture struct {
	file  string // without extension
	title string
	where string   // parts of a name that the rows have, as in "decode=raw"
	units []string // as the benchmark prints them
	scale float64  // from these units to that of the axis; 0 means 1
	axis  string
	one   string // what 1 on the axis is, if it is something
	group string // the key by whose number the rows are sorted; they keep their order without
	ours  string // the rows whose names have it stand out
}

// A target is what a row's median should not exceed.
type target struct {
	where string
	most  float64
}

const (
	timesFloor = "times raw TCP"
	micros     = "µs"
	fromNanos  = 1e-3
)

var percentiles = []string{"p50-us", "p99-us", "p999-us"}

var topics = []topic{
	{
		benchmark: "Call",
		question:  "What does a call cost beside raw TCP?",
		columns:   []string{"x-floor", "ns/op", "floor-ns", "p50-us", "p99-us", "p999-us", "allocs/op"},
		targets: []target{
			{"transport=lean/callers=1", 1.25},
			{"transport=coder/callers=1", 1.6},
			{"transport=nhooyr/callers=1", 2.1},
			{"transport=lean/callers=64", 2.5},
			{"transport=coder/callers=64", 9},
			{"transport=nhooyr/callers=64", 15},
		},
		pictures: []picture{
			{file: "call", title: "What does a call cost beside raw TCP?", units: []string{"x-floor"}, axis: timesFloor, one: "raw TCP"},
			{file: "call-latency", title: "How long does a caller wait for its answer?", units: percentiles, axis: micros},
		},
	},
	{
		benchmark: "Send",
		question:  "What does a call cost one goroutine that keeps 64 under way?",
		columns:   []string{"x-floor", "ns/op", "floor-ns", "allocs/op"},
		pictures: []picture{
			{file: "send", title: "What does a call cost one goroutine that keeps 64 under way?", units: []string{"x-floor"}, axis: timesFloor, one: "raw TCP"},
		},
	},
	{
		benchmark: "Notification",
		question:  "What does a notification cost beside reading its bytes?",
		columns:   []string{"x-floor", "ns/op", "floor-ns", "allocs/op"},
		targets:   []target{{"transport=lean/handler=inline", 3}, {"transport=coder/handler=inline", 9}},
		pictures: []picture{
			{file: "notification", title: "What does a notification cost beside reading its bytes?", units: []string{"x-floor"}, axis: timesFloor, one: "raw TCP"},
		},
	},
	{
		benchmark: "Subscriptions",
		question:  "What do many subscriptions add to a notification?",
		columns:   []string{"x-10", "ns/op", "10-ns", "allocs/op"},
		targets:   []target{{"channels=10000", 1.2}},
		pictures: []picture{
			{file: "subscriptions", title: "What do many subscriptions add to a notification?", units: []string{"x-10"}, axis: "times a session with 10 channels", one: "10 channels"},
		},
	},
	{
		benchmark: "Telemetry",
		question:  "What does telemetry add to a call?",
		columns:   []string{"x-bare", "ns/op", "bare-ns", "allocs/op"},
		targets:   []target{{"mode=off", 1}, {"mode=metrics", 1.03}, {"mode=traced1pct", 1.05}},
		pictures: []picture{
			{file: "telemetry", title: "What does telemetry add to a call?", units: []string{"x-bare"}, axis: "times a session without an observer", one: "no observer"},
		},
	},
	{
		benchmark: "Decode",
		question:  "What does a typed call cost beside a raw one and its decoder?",
		columns:   []string{"x-sum", "ns/op", "sum-ns", "allocs/op"},
		pictures: []picture{
			{file: "decode", title: "What does a typed call cost beside its parts?", units: []string{"x-sum"}, axis: "times a raw call and the decoder", one: "the parts"},
		},
	},
	{
		benchmark: "Lanes",
		question:  "How long does a cancel wait while the connection is busy?",
		columns:   []string{"x-alone", "p50-us", "p99-us", "p999-us", "alone-p50-us", "alone-p99-us", "alone-p999-us"},
		pictures: []picture{
			{file: "lanes", title: "How long does a cancel take while the connection is busy?", units: percentiles, axis: micros},
		},
	},
	{
		benchmark: "Idle",
		question:  "What does an idle session hold?",
		columns:   []string{"KiB/session", "MiB-1000", "goroutines/session"},
		targets:   []target{{"", 64}},
		pictures: []picture{
			{file: "idle", title: "What does an idle session hold?", units: []string{"KiB/session"}, axis: "KiB of heap and stacks"},
			{file: "idle-resident", title: "What do a thousand idle sessions add to the process?", units: []string{"MiB-1000"}, axis: "MiB resident"},
		},
	},
	{
		benchmark: "Rotation",
		question:  "How long does a rotation take?",
		columns:   []string{"ns/op", "allocs/op"},
		pictures: []picture{
			{file: "rotation", title: "How long does a rotation take?", units: []string{"ns/op"}, scale: 1e-6, axis: "ms"},
		},
	},
	{
		benchmark: "Peer",
		question:  "What does a call cost beside other clients?",
		columns:   []string{"x-best", "ns/op", "best-ns", "p50-us", "p99-us", "p999-us", "allocs/op"},
		targets:   []target{{"callers=1", 0.65}, {"callers=64/decode=raw", 0.12}, {"callers=64/decode=typed", 0.3}},
		pictures: []picture{
			{file: "peers", title: "What does a call cost beside the best of three other clients?", units: []string{"x-best"}, axis: "times the best peer in the same run", one: "best peer", group: "callers"},
			{file: "peers-raw", title: "What does a call cost, its result not decoded?", where: "decode=raw", units: []string{"ns/op"}, scale: fromNanos, axis: "µs a call", group: "callers", ours: "holdfast"},
			{file: "peers-typed", title: "What does a call cost, its result decoded by encoding/json?", where: "decode=typed", units: []string{"ns/op"}, scale: fromNanos, axis: "µs a call", group: "callers", ours: "holdfast"},
		},
	},
	{
		benchmark: "Bare",
		question:  "What do WebSocket libraries cost beside raw TCP?",
		columns:   []string{"x-floor", "ns/op", "floor-ns", "allocs/op"},
		pictures: []picture{
			{file: "bare-read", title: "What does reading a message cost, without a client?", where: "what=read", units: []string{"x-floor"}, axis: timesFloor, one: "raw TCP", ours: "lean"},
			{file: "bare-roundtrip", title: "What does a round trip cost, without a client?", where: "what=roundtrip", units: []string{"x-floor"}, axis: timesFloor, one: "raw TCP", ours: "lean"},
			{file: "bare-batch", title: "What does each of 64 requests sent together cost, without a client?", where: "what=batch64", units: []string{"x-floor"}, axis: timesFloor, one: "raw TCP", ours: "lean"},
		},
	},
	{
		benchmark: "Codec",
		question:  "What does decoding a result cost with other decoders?",
		columns:   []string{"x-std", "ns/op", "std-ns", "B/op", "allocs/op"},
		pictures: []picture{
			{file: "codec", title: "What does decoding a result cost beside encoding/json?", units: []string{"x-std"}, axis: "times encoding/json", one: "encoding/json"},
		},
	},
}

// targetOf returns the first target that is meant for r.
func (t topic) targetOf(r *row) (most float64, ok bool) {
	for _, target := range t.targets {
		if r.has(target.where) {
			return target.most, true
		}
	}
	return 0, false
}
