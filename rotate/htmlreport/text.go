package htmlreport

import (
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// millis is a duration in a table: columns of one unit are easily compared.
func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

// human is a duration to three digits.
func human(d time.Duration) string {
	switch {
	case d < 0:
		return d.String()
	case d < time.Millisecond:
		return digits(float64(d)/float64(time.Microsecond)) + " µs"
	case d < time.Second:
		return digits(float64(d)/float64(time.Millisecond)) + " ms"
	case d < time.Minute:
		return digits(d.Seconds()) + " s"
	}
	return d.Round(time.Second).String()
}

func digits(x float64) string {
	decimals := 2
	if x >= 99.95 {
		decimals = 0
	} else if x >= 9.995 {
		decimals = 1
	}
	return strconv.FormatFloat(x, 'f', decimals, 64)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") }

// count is a number and what it counts.
func count[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// firstWide is where scripts begin whose letters are about twice as wide.
const firstWide = 0x1100

// shorten makes a name fit a label; the whole name is in a table.
func shorten(s string) string {
	const most = 20
	runes := []rune(s)
	width, fits := 0, 0
	for i, r := range runes {
		width++
		if r >= firstWide {
			width++
		}
		if width < most {
			fits = i + 1
		}
	}
	if width <= most {
		return s
	}
	return string(runes[:fits]) + "…"
}

// headline says what happened in one sentence.
func headline(r rotate.Report) string {
	switch r.Outcome {
	case rotate.Rotated:
		return fmt.Sprintf("Key %d has a new secret, and every session uses it", r.KeyID)
	case rotate.Recovered:
		return fmt.Sprintf("The unfinished rotation of key %d is settled", r.KeyID)
	case rotate.Unchanged:
		return fmt.Sprintf("There was nothing to recover for key %d", r.KeyID)
	case rotate.Checked:
		return fmt.Sprintf("Nothing stands in the way of a rotation of key %d; nothing was reset", r.KeyID)
	case rotate.Aborted:
		return fmt.Sprintf("Key %d was not reset: the old secret is as good as before", r.KeyID)
	case rotate.Degraded:
		return fmt.Sprintf("Key %d has a new secret, which not every session uses yet", r.KeyID)
	case rotate.Unfinished:
		return fmt.Sprintf("The rotation of key %d was interrupted: Recover takes it up", r.KeyID)
	case rotate.LockedOut:
		return fmt.Sprintf("Locked out of key %d: the exchange takes none of the secrets that are known", r.KeyID)
	}
	return fmt.Sprintf("Key %d: %s", r.KeyID, r.Outcome)
}

// mood is the class of an outcome.
func mood(o rotate.Outcome) string {
	switch o {
	case rotate.Rotated, rotate.Recovered, rotate.Unchanged, rotate.Checked:
		return "good"
	case rotate.Aborted, rotate.Degraded, rotate.Unfinished:
		return "warn"
	case rotate.LockedOut:
	}
	return "bad"
}
