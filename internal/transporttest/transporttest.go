// Package transporttest is the conformance suite of the transports: what every implementation of [rpc.Dialer] has to
// do, on a good network and a bad one, with a correct peer and an incorrect one. Its servers write their frames by hand
// and use no WebSocket library.
package transporttest

import (
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// A Subject is a dialer under test.
type Subject struct {
	Name   string // in the output
	Dialer rpc.Dialer
	// Strict says that it also refuses what the WebSocket libraries forgive a server: a masked frame, a length that is not
	// in its shortest form, text that is not UTF-8, and a cut after the first byte of a frame.
	Strict bool
}

// A suite is one test of a dialer.
type suite struct {
	*testing.T
	dialer rpc.Dialer
	strict bool
}

// Run runs the suite against s.
func Run(t *testing.T, s Subject) {
	t.Helper()
	t.Run(s.Name, func(t *testing.T) {
		t.Run("stalls", func(t *testing.T) { stalls(t, s) })
		run(t, s)
		s.Dialer = drippingDialer{s.Dialer}
		t.Run("in single bytes", func(t *testing.T) { run(t, s) })
	})
}

func run(t *testing.T, s Subject) {
	t.Helper()
	tests := []struct {
		name string
		run  func(suite)
	}{
		{"round trip", suite.roundTrip},
		{"batch is one write", suite.batchIsOneWrite},
		{"batch boundaries", suite.batchBoundaries},
		{"fragments with control frames between them", suite.fragments},
		{"single bytes", suite.singleBytes},
		{"masking", suite.masking},
		{"pings during batches", suite.pingsDuringBatches},
		{"binary message", suite.binaryRefused},
		{"read limit", suite.readLimit},
		{"default read limit", suite.defaultReadLimit},
		{"many fragments", suite.manyFragments},
		{"close frames", suite.closeFrames},
		{"cut anywhere", suite.cutAnywhere},
		{"last bytes with the end", suite.lastBytesWithTheEnd},
		{"end without close frame", suite.endWithoutCloseFrame},
		{"close unblocks read", suite.closeUnblocksRead},
		{"close unblocks write", suite.closeUnblocksWrite},
		{"close unblocks write over TCP", suite.closeUnblocksWriteOverTCP},
		{"close twice", suite.closeTwice},
		{"close from everywhere", suite.closeFromEverywhere},
		{"context ended after dial", suite.contextEndedAfterDial},
		{"context ended during dial", suite.contextEndedDuringDial},
		{"refused and kept", suite.refusedAndKept},
		{"idle for a day", suite.idleForADay},
		{"redirects", suite.redirects},
		{"refusals", suite.refusals},
		{"nobody listens", suite.nobodyListens},
		{"certificates", suite.certificates},
		{"old TLS", suite.oldTLS},
		{"proxy of the program", suite.throughProxy},
		{"endless answer", suite.endlessAnswer},
		{"half an answer", suite.halfAnswer},
		{"glued to the answer", suite.gluedToTheAnswer},
		{"failed dials close", suite.failedDialsClose},
		{"header", suite.header},
		{"many dials", suite.manyDials},
	}
	t.Run("proxy of the environment", func(t *testing.T) { suite{t, s.Dialer, s.Strict}.environmentProxy() })
	t.Run("lengths that nothing follows", func(t *testing.T) { suite{t, s.Dialer, s.Strict}.emptyPromises() })
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(suite{t, s.Dialer, s.Strict})
		})
	}
}

// joined runs f in a goroutine that the test waits for.
func joined(t *testing.T, f func()) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(f)
	t.Cleanup(wg.Wait)
}
