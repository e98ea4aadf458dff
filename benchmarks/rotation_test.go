package benchmarks

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// BenchmarkRotation asks how long a rotation takes, from Rotate to a Report in which every session has authenticated anew:
// with a file that is synced to disk, a throwaway connection, and the waves of the fleet.
func BenchmarkRotation(b *testing.B) {
	for _, sessions := range []int{1, 8} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			exchange, key := newExchange(b)
			dir := b.TempDir()
			if err := os.Chmod(dir, 0o700); err != nil {
				b.Fatal(err)
			}
			store, err := filestore.Open(filepath.Join(dir, "key"))
			if err != nil {
				b.Fatal(err)
			}
			keyring := rotate.NewKeyring(key)
			fleet := make([]*session.Session, sessions)
			for i := range fleet {
				fleet[i] = dial(b, session.Config{URL: exchange.URL(), Credentials: keyring})
			}
			rotator, err := rotate.New(rotate.Config{
				Keyring: keyring, Store: store, Sessions: rotate.Fleet(fleet...),
				Throwaway: session.Config{URL: exchange.URL()}, AcceptLockout: true, Stagger: -1,
			})
			if err != nil {
				b.Fatal(err)
			}
			generation := keyring.Current().Generation
			for b.Loop() {
				report, err := rotator.Rotate(b.Context())
				if err != nil || report.Outcome != rotate.Rotated || len(report.Sessions) != sessions {
					b.Fatalf("%v: %v", err, report)
				}
				generation++
			}
			if got := keyring.Current().Generation; got != generation {
				b.Errorf("generation %d after rotations to %d", got, generation)
			}
			if err := rotator.Close(b.Context()); err != nil {
				b.Error(err)
			}
		})
	}
}
