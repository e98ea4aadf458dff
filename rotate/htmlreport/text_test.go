package htmlreport_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
)

func TestHuman(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.00 µs", 1: "0.00 µs", 999: "1.00 µs", 9994: "9.99 µs", 9995: "10.0 µs", 99949: "99.9 µs", 99950: "100 µs", 412 * us: "412 µs",
		1234 * us: "1.23 ms", 43210 * us: "43.2 ms", 999 * ms: "999 ms", 2050 * ms: "2.05 s", 59 * time.Second: "59.0 s",
		63400 * ms: "1m3s", 26 * time.Hour: "26h0m0s", -5 * ms: "-5ms",
	} {
		if got := htmlreport.Human(d); got != want {
			t.Errorf("%d ns: %q, want %q", int64(d), got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "", "session-1": "session-1",
		strings.Repeat("a", 20):          strings.Repeat("a", 20),
		strings.Repeat("a", 21):          strings.Repeat("a", 19) + "…",
		strings.Repeat("世", 10):          strings.Repeat("世", 10),
		strings.Repeat("世", 11):          strings.Repeat("世", 9) + "…",
		"\xff" + strings.Repeat("é", 30): "\uFFFD" + strings.Repeat("é", 17) + "…",
	} {
		if got := htmlreport.Shorten(name); got != want || !utf8.ValidString(got) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestHeadlines: each outcome has its own words and its own colour, and one that is new still has some.
func TestHeadlines(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[rotate.Outcome][2]string{
		rotate.Rotated:          {"Key 3 has a new secret, and every session uses it", "good"},
		rotate.Recovered:        {"The unfinished rotation of key 3 is settled", "good"},
		rotate.Unchanged:        {"There was nothing to recover for key 3", "good"},
		rotate.Aborted:          {"Key 3 was not reset: the old secret is as good as before", "warn"},
		rotate.Degraded:         {"Key 3 has a new secret, which not every session uses yet", "warn"},
		rotate.Unfinished:       {"The rotation of key 3 was interrupted: Recover takes it up", "warn"},
		rotate.LockedOut:        {"Locked out of key 3: the exchange takes none of the secrets that are known", "bad"},
		rotate.Outcome("<new>"): {"Key 3: &lt;new&gt;", "bad"},
	} {
		page := write(t, htmlreport.Page{Reports: []rotate.Report{{Outcome: outcome, KeyID: 3, Err: "a reason"}}})
		for _, sign := range []string{"<h2>" + want[0] + " <span", `<span class="badge ` + want[1] + `">`, `<p class="error">a reason</p>`} {
			if !strings.Contains(page, sign) {
				t.Errorf("%s: no %q", outcome, sign)
			}
		}
	}
}
