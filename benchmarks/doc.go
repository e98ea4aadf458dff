// Package benchmarks measures what Holdfast adds to the wire, one question a file. Run it with
//
//	go test -run xxx -bench . ./benchmarks
//
// Every benchmark measures its floor in the same run: chunks of the floor and of ours in turn, a few milliseconds each,
// and the median of the ratios of the pairs. x-floor is the ratio to as many bytes over raw TCP, x-bare that to a session
// without an observer, x-10 to one with ten subscriptions, x-sum to the parts of a call, x-alone to a call that is alone;
// floor-ns, bare-ns and so on are what these cost themselves, in nanoseconds per operation. Latencies of single calls are
// percentiles of a histogram, in microseconds. The other end of the wire is a process of its own, with one processor that
// the client leaves to it, but for the rotation, which needs the simulated exchange. A benchmark that measured nothing
// fails.
package benchmarks
