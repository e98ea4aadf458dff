package rotate

import (
	"fmt"
	"time"
)

// Window is a time of day, in UTC, at which no scheduled rotation begins. From belongs to it, To does not; both count from
// midnight, and a To before From is that of the next day.
type Window struct {
	From, To time.Duration
}

const (
	minutesOfSettlement = 5 * time.Minute
	day                 = 24 * time.Hour
)

// Settlement is from 07:55 to 08:10 UTC. The exchange's list of expiries says that daily options expire at 08:00 UTC; it names
// an error for orders during the settlement (10041, settlement_in_progress), but does not document how long that lasts: the
// margins are a convention.
func Settlement() Window {
	return Window{From: 8*time.Hour - minutesOfSettlement, To: 8*time.Hour + 2*minutesOfSettlement}
}

// String is the window as people write it.
func (w Window) String() string {
	clock := func(d time.Duration) string { return time.Time{}.Add(d).Format("15:04:05") }
	return fmt.Sprintf("%s to %s UTC", clock(w.From), clock(w.To))
}

func (w Window) valid() bool {
	return w.From >= 0 && w.From < day && w.To >= 0 && w.To <= day && w.From != w.To
}

// left is how long the window still lasts at t, 0 if t is not in it.
func (w Window) left(t time.Time) time.Duration {
	since := (t.Sub(t.Truncate(day)) - w.From + day) % day
	length := (w.To-w.From+day-1)%day + 1 // 24 h for all the day
	return max(0, length-since)
}

// opens is the first moment from t on that is in none of the windows; none if there is no such moment in all the day.
func opens(windows []Window, t time.Time) (free time.Time, ok bool) {
	// Whoever has to hop more often than there are windows was in one of them twice, a day apart.
	for range len(windows) + 1 {
		left := time.Duration(0)
		for _, w := range windows {
			left = max(left, w.left(t))
		}
		if left == 0 {
			return t, true
		}
		t = t.Add(left)
	}
	return t, false
}
