package htmlreport_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
	"github.com/holdfast-ws/holdfast/session"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

// sample is a page of one rotation of so many sessions, and of the calls from a second before to a second after it. The same
// number gives the same page.
func sample(sessions int) htmlreport.Page {
	random := rand.New(rand.NewPCG(1, uint64(sessions)))
	r := rotate.Report{
		ID: "7f3a9c", Trigger: rotate.TriggerRotate, Outcome: rotate.Rotated, KeyID: 3, ClientID: "fo7WAPRm4P", OldGeneration: 41,
		NewGeneration: 42, OldFingerprint: "a1b2c3d4", NewFingerprint: "e5f60718", Started: noon,
	}
	at := time.Duration(0)
	for _, step := range []rotate.StepReport{
		{Kind: rotate.StepLease, Duration: 900 * us},
		{Kind: rotate.StepPreflight, Duration: 6100 * us},
		{Kind: rotate.StepIntent, Duration: 850 * us},
		{Kind: rotate.StepReset, Duration: 4200 * us},
		{Kind: rotate.StepStore, Duration: 1100 * us},
		{Kind: rotate.StepVerify, Duration: 9300 * us},
		{Kind: rotate.StepPublish, Duration: 880 * us},
	} {
		step.Started = noon.Add(at)
		r.Steps = append(r.Steps, step)
		at += step.Duration
	}
	for i := range sessions {
		wave := (i + 3) / 4
		s := rotate.SessionReport{
			Name: fmt.Sprintf("session-%d", i+1), Wave: wave, Generation: 42,
			Started: noon.Add(at + time.Duration(wave)*7*ms), Duration: 4*ms + time.Duration(random.IntN(2500))*time.Microsecond,
			Channels: channelsOf(i),
		}
		r.Sessions = append(r.Sessions, s)
		r.Duration = s.Started.Add(s.Duration).Sub(noon) + ms
	}
	p := htmlreport.Page{Reports: []rotate.Report{r}, Account: "64 callers, 240 channels\nEvery promise was kept."}
	for t := -time.Second; t < time.Second; t += 400 * time.Microsecond {
		took := time.Duration(300+random.ExpFloat64()*120) * time.Microsecond
		if t > 0 && t < r.Duration {
			took += time.Duration(random.ExpFloat64()*400) * time.Microsecond
		}
		p.Calls = append(p.Calls, htmlreport.Call{Started: noon.Add(t), Took: took})
	}
	return p
}

func channelsOf(i int) []rotate.ChannelReport {
	name := fmt.Sprintf("book.BTC-%d.raw", i)
	return []rotate.ChannelReport{
		{
			Channel: name, Confirmed: true,
			Before: session.ChannelStats{Channel: name, Epoch: 1, Notifications: 812, Snapshots: 1, LastChangeID: 90001},
			After:  session.ChannelStats{Channel: name, Epoch: 1, Notifications: 840, Snapshots: 2, LastChangeID: 90029},
		},
		{
			Channel: "ticker.ETH-PERPETUAL.100ms", Note: "public: needs no authentication",
			Before: session.ChannelStats{Channel: "ticker.ETH-PERPETUAL.100ms", Epoch: 1, Notifications: 77},
			After:  session.ChannelStats{Channel: "ticker.ETH-PERPETUAL.100ms", Epoch: 1, Notifications: 79},
		},
	}
}

// degradedSample is a sample whose last session failed, and whose first one had a gap.
func degradedSample(sessions int) htmlreport.Page {
	p := sample(sessions)
	r := &p.Reports[0]
	first := &r.Sessions[0].Channels[0]
	first.Gaps, first.After.Gaps, first.After.Epoch = 1, 1, 2
	last := &r.Sessions[len(r.Sessions)-1]
	last.Err, last.Generation, last.Channels = "rotate: re-authenticate: session: connection lost", 41, nil
	r.Outcome, r.Err = rotate.Degraded, "rotate: the new secret is stored and published, but sessions "+last.Name+" have not re-authenticated"
	r.Steps[3].Err = "rotate: reset: challenge"
	p.Gaps = []htmlreport.Gap{{At: noon.Add(25 * ms), Session: "session-1", Reason: "reconnect"}}
	p.Calls = append(p.Calls, htmlreport.Call{Started: noon.Add(26 * ms), Took: 9 * ms, Failed: true})
	return p
}
