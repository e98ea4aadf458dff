package main

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
)

// compareReport holds the page against what -json prints, and against the account.
func compareReport(t *testing.T, found *result, page, account string) {
	t.Helper()
	text, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Notifications struct{ Gaps int }
		Reports       []rotate.Report
	}
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	page = html.UnescapeString(page)
	has := func(format string, args ...any) {
		if want := fmt.Sprintf(format, args...); !strings.Contains(page, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	millis := func(d time.Duration) string {
		return fmt.Sprintf(`<td class="n">%.3f</td>`, float64(d)/float64(time.Millisecond))
	}
	if !strings.HasSuffix(account, "Every promise was kept.\n") || len(said.Reports) != found.Rotations {
		t.Errorf("%d reports of %d rotations; %s", len(said.Reports), found.Rotations, account)
	}
	has("%s", account)
	for i, r := range said.Reports {
		// JSON has no monotonic clock: what it says of offsets may be off by nanoseconds.
		began := found.Reports[i].Started
		has("rotation %s, begun by %s", r.ID, r.Trigger)
		has(`<td class="name">%s → %s</td>`, r.OldFingerprint, r.NewFingerprint)
		has(`<td class="n">%d → %d</td>`, r.OldGeneration, r.NewGeneration)
		has("%s", millis(r.Duration))
		for j, s := range r.Steps {
			offset := found.Reports[i].Steps[j].Started.Sub(began)
			has(`<td>%s</td>%s%s`, s.Kind, millis(offset), millis(s.Duration))
		}
		for j, s := range r.Sessions {
			offset := found.Reports[i].Sessions[j].Started.Sub(began)
			has(`<td class="name">%s</td><td class="n">%d</td>%s%s<td class="n">%d</td><td class="n">%d</td>`,
				s.Name, s.Wave, millis(offset), millis(s.Duration), s.Generation, len(s.Channels))
			for _, c := range s.Channels {
				has(`<td class="name">%s</td><td class="n">%d → %d</td>`, c.Channel, c.Before.Notifications, c.After.Notifications)
			}
		}
	}
	if gaps := said.Notifications.Gaps; gaps > 0 {
		has("Gaps that subscriptions announced: %d<", gaps)
	} else if strings.Contains(page, "Gaps that subscriptions announced") {
		t.Error("the page has gaps where there are none")
	}
}

// TestReportIsNotWritten: a page that shows a secret stays unwritten, and a file that cannot be written is told of.
func TestReportIsNotWritten(t *testing.T) {
	t.Parallel()
	exchange, err := deribittest.New(deribittest.Config{Tick: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exchange.Close() })
	key := exchange.AddKey(deribittest.KeyConfig{Name: "engine"})
	s := &stage{exchange: exchange, account: &strings.Builder{}}
	found := &result{Reports: []rotate.Report{{KeyID: key.ID, ClientID: key.ClientID, Started: time.Unix(1, 0)}}}
	name := filepath.Join(t.TempDir(), "rotation.html")
	found.Broken = []string{"a secret: " + key.Secret}
	if err := s.writeReport(name, found); err == nil || !strings.Contains(err.Error(), "shows secrets: 1") || strings.Contains(err.Error(), key.Secret) {
		t.Errorf("a page with a secret: %v", err)
	}
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("it was written: %v", err)
	}
	found.Broken = nil
	if err := s.writeReport(filepath.Join(name, "no", "directory"), found); err == nil {
		t.Error("a file that cannot be written is not told of")
	}
	if err := s.writeReport(name, found); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Error(err)
	}
}
