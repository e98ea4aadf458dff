package htmlreport

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

type sessionRow struct {
	Name, Offset, Took, Err string
	Wave                    int
	Generation              uint64
	Messages                uint64
	Gaps, Breaks            uint64
	Summary                 string
	Interrupted             bool
	Channels                []channelRow
}

type channelRow struct {
	rotate.ChannelReport

	Messages uint64 // in between
	Proof    string
	Kept     bool
}

func newSessionRow(s rotate.SessionReport, base time.Time) sessionRow {
	row := sessionRow{
		Name: s.Name, Offset: millis(s.Started.Sub(base)), Took: millis(s.Duration), Err: s.Err, Wave: s.Wave, Generation: s.Generation,
	}
	interrupted := 0
	for _, c := range s.Channels {
		one := channelRow{ChannelReport: c, Messages: c.After.Notifications - min(c.Before.Notifications, c.After.Notifications)}
		one.Proof, one.Kept = proof(c), kept(c)
		if !one.Kept {
			interrupted++
		}
		row.Channels = append(row.Channels, one)
		row.Messages += one.Messages
		row.Gaps += c.Gaps
		row.Breaks += c.Breaks
	}
	row.Interrupted = interrupted > 0
	row.Summary = "none interrupted"
	if row.Interrupted {
		row.Summary = fmt.Sprintf("%d interrupted", interrupted)
	}
	return row
}

// kept reports whether nothing of a channel can have been lost.
func kept(c rotate.ChannelReport) bool { return c.After.Channel != "" && c.Gaps == 0 && c.Breaks == 0 }

// proof says how it is known what became of a channel.
func proof(c rotate.ChannelReport) string {
	var parts []string
	joined := "; "
	switch {
	case c.After.Channel == "":
	case c.Gaps > 0:
		parts = append(parts, count(c.Gaps, "gap", "gaps")+" announced")
		joined = "; since then "
	case c.Breaks > 0:
		parts = append(parts, "chain of change ids broken")
		joined = "; since then "
	case c.After.Snapshots > 0:
		parts = append(parts, "chain of change ids unbroken")
	default:
		parts = append(parts, "no connection lost")
	}
	if c.Confirmed {
		parts = append(parts, "confirmed by the exchange")
	}
	if c.Note != "" {
		parts = append(parts, c.Note)
	}
	return strings.Join(parts, joined)
}
