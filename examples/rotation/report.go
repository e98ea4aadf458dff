package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
)

// writeReport draws the run. What shows a secret is not written.
func (s *stage) writeReport(name string, found *result) error {
	var page bytes.Buffer
	if err := htmlreport.Write(&page, s.page(found)); err != nil {
		return err
	}
	if n := sightings(page.String(), s.exchange.Secrets()); n > 0 {
		return fmt.Errorf("-report: not written: the page shows secrets: %d", n)
	}
	if err := os.WriteFile(name, page.Bytes(), 0o600); err != nil {
		return fmt.Errorf("-report: %w", err)
	}
	s.tell("\nThe rotations are drawn in %s", name)
	return nil
}

func (s *stage) page(found *result) htmlreport.Page {
	var account strings.Builder
	fmt.Fprintf(&account, "%d sessions over %s hold %d channels, %d callers; a reset: %s\n",
		found.Sessions, found.Transport, found.Channels, found.Callers, found.Behaviour)
	found.account(&account)
	_, gaps, _ := tally(s.consumers)
	p := htmlreport.Page{
		Title:   fmt.Sprintf("%d rotations of a key under %d sessions", found.Rotations, found.Sessions),
		Account: account.String(), Reports: found.Reports, Gaps: gaps,
	}
	for _, c := range s.callers {
		for _, calls := range c.made {
			p.Calls = append(p.Calls, calls...)
		}
	}
	return p
}
