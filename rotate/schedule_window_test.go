package rotate_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/rotate"
)

func clock(hour, minute int) time.Duration {
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}

// TestOpens: from a time of day, when rotations may begin.
func TestOpens(t *testing.T) {
	t.Parallel()
	night := rotate.Window{From: clock(23, 30), To: clock(0, 15)}
	early := rotate.Window{From: 0, To: clock(6, 0)}
	late := rotate.Window{From: clock(18, 0), To: clock(24, 0)}
	for _, c := range []struct {
		windows  []rotate.Window
		at, want time.Duration
	}{
		{nil, clock(8, 0), clock(8, 0)},
		{[]rotate.Window{rotate.Settlement()}, clock(7, 54), clock(7, 54)},
		{[]rotate.Window{rotate.Settlement()}, clock(7, 55), clock(8, 10)},
		{[]rotate.Window{rotate.Settlement()}, clock(8, 0), clock(8, 10)},
		{[]rotate.Window{rotate.Settlement()}, clock(8, 10) - 1, clock(8, 10)},
		{[]rotate.Window{rotate.Settlement()}, clock(8, 10), clock(8, 10)},
		{[]rotate.Window{night}, clock(23, 30), clock(24, 15)},
		{[]rotate.Window{night}, clock(0, 14), clock(0, 15)},
		{[]rotate.Window{night}, clock(0, 15), clock(0, 15)},
		{[]rotate.Window{night, early}, clock(23, 45), clock(30, 0)},
		{[]rotate.Window{early, late}, clock(17, 59), clock(17, 59)},
		{[]rotate.Window{early, late}, clock(18, 0), clock(30, 0)},
		{[]rotate.Window{late}, clock(18, 0), clock(24, 0)},
	} {
		for _, date := range []string{"2024-02-29", "1969-07-20"} { // before the epoch too
			midnight, err := time.Parse(time.DateOnly, date)
			if err != nil {
				t.Fatal(err)
			}
			local := midnight.Add(c.at).In(time.FixedZone("", 5*3600+1800))
			if got, ok := rotate.Opens(c.windows, local); !ok || !got.Equal(midnight.Add(c.want)) {
				t.Errorf("%v at %v: %v, %t, want %v", c.windows, c.at, got.Sub(midnight), ok, c.want)
			}
		}
	}
	for _, all := range [][]rotate.Window{
		{{From: 0, To: clock(24, 0)}},
		{{From: clock(8, 0), To: clock(20, 0)}, {From: clock(20, 0), To: clock(8, 0)}},
		{{From: clock(23, 0), To: clock(22, 0)}, {From: clock(21, 0), To: clock(23, 0)}},
	} {
		if got, ok := rotate.Opens(all, time.Unix(0, 0)); ok {
			t.Errorf("%v is all the day, and opens at %v", all, got)
		}
	}
}

// TestOpensIsTheFirst compares with a search minute by minute.
func TestOpensIsTheFirst(t *testing.T) {
	t.Parallel()
	const minutes = 24 * 60
	rapid.Check(t, func(t *rapid.T) {
		var windows []rotate.Window
		var taken [minutes]bool
		for range rapid.IntRange(0, 5).Draw(t, "windows") {
			from := rapid.IntRange(0, minutes-1).Draw(t, "from")
			length := rapid.IntRange(1, minutes-1).Draw(t, "length")
			windows = append(windows, rotate.Window{
				From: clock(0, from), To: clock(0, (from+length)%minutes),
			})
			for i := range length {
				taken[(from+i)%minutes] = true
			}
		}
		start := rapid.IntRange(0, minutes-1).Draw(t, "start")
		want := start
		for want < start+minutes && taken[want%minutes] {
			want++
		}
		midnight := time.Date(2026, time.March, 29, 0, 0, 0, 0, time.UTC)
		got, ok := rotate.Opens(windows, midnight.Add(clock(0, start)))
		if ok != (want < start+minutes) || ok && !got.Equal(midnight.Add(clock(0, want))) {
			t.Fatalf("%v from %v: %v, %t, want %v", windows, clock(0, start), got.Sub(midnight), ok, clock(0, want))
		}
	})
}

func ExampleSettlement() {
	fmt.Println(rotate.Settlement())
	// Output: 07:55:00 to 08:10:00 UTC
}
