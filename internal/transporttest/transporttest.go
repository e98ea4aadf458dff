// Package transporttest is the conformance suite of the transports: what every implementation of [rpc.Dialer] has to
// do, on a good network and a bad one, with a correct peer and an incorrect one. Its servers write their frames by hand
// and use no WebSocket library.
package transporttest

import (
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Run runs the suite against d.
func Run(t *testing.T, d rpc.Dialer) {
	t.Helper()
	tests := []struct {
		name string
		run  func(*testing.T, rpc.Dialer)
	}{
		{"round trip", roundTrip},
		{"batch is one write", batchIsOneWrite},
		{"fragments with control frames between them", fragments},
		{"single bytes", singleBytes},
		{"pings during batches", pingsDuringBatches},
		{"binary message", binaryRefused},
		{"read limit", readLimit},
		{"default read limit", defaultReadLimit},
		{"many fragments", manyFragments},
		{"close frames", closeFrames},
		{"cut anywhere", cutAnywhere},
		{"end without close frame", endWithoutCloseFrame},
		{"close unblocks read", closeUnblocksRead},
		{"close unblocks write", closeUnblocksWrite},
		{"close unblocks write over TCP", closeUnblocksWriteOverTCP},
		{"close twice", closeTwice},
		{"context ended after dial", contextEndedAfterDial},
		{"context ended during dial", contextEndedDuringDial},
		{"idle for a day", idleForADay},
		{"redirects", redirects},
		{"refusals", refusals},
		{"nobody listens", nobodyListens},
		{"certificates", certificates},
		{"old TLS", oldTLS},
		{"endless answer", endlessAnswer},
		{"header", header},
		{"many dials", manyDials},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, d)
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
