package htmlreport_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
)

// A report from Rotator.Rotate is drawn beside the calls that were made meanwhile.
func ExampleWrite() {
	started := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	report := rotate.Report{
		Outcome: rotate.Rotated, KeyID: 3, OldGeneration: 1, NewGeneration: 2, Started: started, Duration: 30 * time.Millisecond,
		Steps: []rotate.StepReport{{Kind: rotate.StepReset, Started: started, Duration: 4 * time.Millisecond}},
	}
	var page strings.Builder
	err := htmlreport.Write(&page, htmlreport.Page{
		Reports: []rotate.Report{report},
		Calls:   []htmlreport.Call{{Started: started.Add(time.Millisecond), Took: 300 * time.Microsecond}},
	})
	fmt.Println(err, strings.Count(page.String(), "<svg "))
	// Output: <nil> 2
}
