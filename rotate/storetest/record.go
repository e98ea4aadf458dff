package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// canary is in every secret: where it is found, a secret was printed.
const canary = "STORETEST-CANARY"

func secret[N int | uint64](of string, n N) session.Secret {
	return session.NewSecret(fmt.Appendf(nil, "%s-%s-%d", canary, of, n))
}

// began is to the nanosecond, and not in the local time zone.
var began = time.Date(2025, 6, 7, 8, 9, 10, 123456789, time.UTC)

// made is a record whose every field says n, so that a mixture of two is seen.
func made(n uint64) rotate.Record {
	small := int64(n % 1e6)
	at := began.Add(time.Duration(small) * time.Second)
	record := rotate.Record{
		KeyID:    small,
		ClientID: fmt.Sprintf("client-%d", n),
		Current:  rotate.Candidate{Secret: secret("current", n), Generation: n, Rotation: fmt.Sprintf("rotation-%d", n), Received: at},
		Intent: &rotate.Intent{
			ID: fmt.Sprintf("intent-%d", n), Epoch: n, Started: at, OldFingerprint: fmt.Sprintf("%08x", n),
			Sent: at.Add(time.Second), Settling: n%2 == 0, Rescue: secret("rescue", n),
		},
		Replacement: &rotate.Replacement{
			ID: fmt.Sprintf("replacement-%d", n), Name: fmt.Sprintf("hf_%d", n), Sent: at, KeyID: small + 1,
			ClientID: fmt.Sprintf("next-%d", n), Secret: secret("next", n), Promoted: at.Add(time.Minute),
		},
		Former: []string{fmt.Sprintf("former-%d", n)},
		Lease:  &rotate.Lease{Owner: fmt.Sprintf("owner-%d", n), Epoch: n, Expires: at.Add(time.Minute)},
	}
	for i := range n%3 + 1 {
		record.Candidates = append(record.Candidates, rotate.Candidate{
			Secret: secret(fmt.Sprintf("candidate-%d", i), n), Generation: n + i, Rotation: fmt.Sprintf("rotation-%d", n), Received: at,
		})
	}
	return record
}

// differences names the fields in which two records differ, apart from the version, and prints no secret.
func differences(got, want rotate.Record) []string {
	var found []string
	note := func(field string, got, want any) {
		found = append(found, fmt.Sprintf("%s is %v, not %v", field, got, want))
	}
	if got.KeyID != want.KeyID {
		note("KeyID", got.KeyID, want.KeyID)
	}
	if got.ClientID != want.ClientID {
		note("ClientID", got.ClientID, want.ClientID)
	}
	if !sameCandidate(got.Current, want.Current) {
		note("Current", name(got.Current), name(want.Current))
	}
	if !slices.EqualFunc(got.Candidates, want.Candidates, sameCandidate) {
		note("Candidates", names(got.Candidates), names(want.Candidates))
	}
	if !sameIntent(got.Intent, want.Intent) {
		note("Intent", got.Intent, want.Intent)
	}
	if !sameReplacement(got.Replacement, want.Replacement) {
		note("Replacement", got.Replacement, want.Replacement)
	}
	if !slices.Equal(got.Former, want.Former) {
		note("Former", got.Former, want.Former)
	}
	if !sameLease(got.Lease, want.Lease) {
		note("Lease", got.Lease, want.Lease)
	}
	return found
}

func sameCandidate(a, b rotate.Candidate) bool {
	return a.Secret.Equal(b.Secret) && a.Generation == b.Generation && a.Rotation == b.Rotation && a.Received.Equal(b.Received)
}

func sameIntent(a, b *rotate.Intent) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.Epoch == b.Epoch && a.Started.Equal(b.Started) && a.OldFingerprint == b.OldFingerprint &&
		a.Sent.Equal(b.Sent) && a.Settling == b.Settling && a.Rescue.Equal(b.Rescue)
}

func sameReplacement(a, b *rotate.Replacement) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.Name == b.Name && a.Sent.Equal(b.Sent) && a.KeyID == b.KeyID && a.ClientID == b.ClientID &&
		a.Secret.Equal(b.Secret) && a.Promoted.Equal(b.Promoted)
}

func sameLease(a, b *rotate.Lease) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Owner == b.Owner && a.Epoch == b.Epoch && a.Expires.Equal(b.Expires)
}

func name(c rotate.Candidate) string {
	return fmt.Sprintf("%s/%d/%s/%v", c.Secret.Fingerprint(), c.Generation, c.Rotation, c.Received)
}

func names(list []rotate.Candidate) []string {
	said := make([]string, 0, len(list))
	for _, c := range list {
		said = append(said, name(c))
	}
	return said
}
