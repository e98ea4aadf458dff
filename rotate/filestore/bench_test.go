package filestore_test

import (
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/holdfast-ws/holdfast/rotate/filestore"
)

// BenchmarkSave measures how long it takes until a new secret is durable, on the disk of the system's temporary directory: the record
// has what a rotation leaves in it.
func BenchmarkSave(b *testing.B) {
	s, err := filestore.Create(b.Context(), safePath(b), record(1))
	if err != nil {
		b.Fatal(err)
	}
	took := hdrhistogram.New(1, time.Minute.Nanoseconds(), 3)
	version := uint64(1)
	for b.Loop() {
		began := time.Now()
		if version, err = s.Save(b.Context(), full(version+1), version); err != nil {
			b.Fatal(err)
		}
		if err := took.RecordValue(time.Since(began).Nanoseconds()); err != nil {
			b.Fatal(err)
		}
	}
	for name, percentile := range map[string]float64{"p50-µs": 50, "p99-µs": 99, "p99.9-µs": 99.9, "max-µs": 100} {
		b.ReportMetric(float64(took.ValueAtPercentile(percentile))/float64(time.Microsecond), name)
	}
}
