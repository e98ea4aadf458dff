package peers

import (
	"fmt"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
)

// BenchmarkPeer asks what a call costs through each client, by one caller and by many of one connection. Holdfast's rows
// race against all peers: x-best is the ratio to the best of them, best-ns that one's time in the same race. A peer's own
// row is measured alone.
func BenchmarkPeer(b *testing.B) {
	url := wirepeer.Start(b).URL()
	want := ask(b, url)
	decodes := []struct {
		name    string
		newCall func(client) func() error
	}{{"raw", want.rawCall}, {"typed", want.typedCall}}
	for _, subject := range clients {
		for _, callers := range []int{1, 8, 64} {
			for _, decode := range decodes {
				b.Run(fmt.Sprintf("client=%s/callers=%d/decode=%s", subject.name, callers, decode.name), func(b *testing.B) {
					connect := func(dial func(testing.TB, string) client) herd {
						c := dial(b, url)
						return newHerd(callers, func() func() error { return decode.newCall(c) })
					}
					var rivals []herd
					for _, rival := range clients {
						if subject.ours && !rival.ours {
							rivals = append(rivals, connect(rival.dial))
						}
					}
					benchmarkHerd(b, connect(subject.dial), rivals)
				})
			}
		}
	}
}

// benchmarkHerd has the herds take turns.
func benchmarkHerd(b *testing.B, subject herd, rivals []herd) {
	b.Helper()
	contenders := make([]contender, 0, 1+len(rivals))
	for _, h := range append([]herd{subject}, rivals...) {
		c, err := h.contender()
		if err != nil {
			b.Fatal(err)
		}
		contenders = append(contenders, c)
	}
	latencies := hdrhistogram.New(1, int64(time.Minute), 3)
	r := race{contenders[0], contenders[1:], func() error { return subject.record(latencies) }}
	r.report(b, "x-best", "best-ns")
	if latencies.TotalCount() == 0 {
		b.Fatalf("%v: no latencies", errMeasuredNothing)
	}
	for _, p := range []struct {
		unit     string
		quantile float64
	}{{"p50-us", 50}, {"p99-us", 99}, {"p999-us", 99.9}} {
		b.ReportMetric(float64(latencies.ValueAtQuantile(p.quantile))/float64(time.Microsecond), p.unit)
	}
}
