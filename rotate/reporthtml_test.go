package rotate_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
	"github.com/holdfast-ws/holdfast/session"
)

// TestI10ReportAsHTML draws rotations that end in different ways, and looks for secrets in what is drawn.
func TestI10ReportAsHTML(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*process)
		outcome rotate.Outcome
	}{
		"right":   {func(*process) {}, rotate.Rotated},
		"lost":    {func(p *process) { p.lost, p.revokes = true, true }, rotate.LockedOut},
		"broken":  {func(p *process) { p.sessions[2].fault = errDown }, rotate.Degraded},
		"refused": {func(p *process) { p.refuse = refuseWithCanary }, rotate.Aborted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				c.change(p)
				report, err := p.rotator(t, nil).Rotate(t.Context())
				if (err == nil) != (c.outcome == rotate.Rotated) || report.Outcome != c.outcome {
					t.Fatalf("%s, want %s: %v", report.Outcome, c.outcome, err)
				}
				var page strings.Builder
				if err := htmlreport.Write(&page, htmlreport.Page{Reports: []rotate.Report{report}}); err != nil {
					t.Fatal(err)
				}
				hidden(t, "page", page.String())
				for _, want := range []string{string(report.Outcome), report.ID, report.OldFingerprint, report.NewFingerprint, clientID} {
					if !strings.Contains(page.String(), want) {
						t.Errorf("no %q on the page", want)
					}
				}
				for _, s := range report.Sessions {
					if !strings.Contains(page.String(), `<td class="name">`+s.Name+"</td>") {
						t.Errorf("no session %s on the page", s.Name)
					}
				}
			})
		})
	}
}

func refuseWithCanary(map[string]any) (string, error) {
	return "", refusal(session.CodeUnauthorized, "CANARY-data")
}
