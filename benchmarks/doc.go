// Package benchmarks measures what Holdfast adds to the wire, one question a file, each against a floor that is measured
// in the same run. Run it with
//
//	go test -run xxx -bench . ./benchmarks
//
// The simulated exchange shares the process and its two or more cores with the sessions: the ratios tell more than the
// times.
package benchmarks
