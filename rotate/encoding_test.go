package rotate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

func fullRecord() rotate.Record {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	return rotate.Record{
		Version: 7, KeyID: keyID, ClientID: clientID,
		Current:    rotate.Candidate{Secret: session.NewSecret([]byte("CANARY-\x00\xff-1")), Generation: 4, Rotation: "r1", Received: at},
		Candidates: []rotate.Candidate{{Secret: session.NewSecret([]byte("CANARY-2")), Generation: 5, Rotation: "r2", Received: at}},
		Intent:     &rotate.Intent{ID: "r2", Epoch: 9, Started: at, OldFingerprint: "abcdef01"},
		Lease:      &rotate.Lease{Owner: "o", Epoch: 9, Expires: at.Add(time.Minute)},
	}
}

// sameRecord compares secrets by their content, and the rest as it is.
func sameRecord(a, b rotate.Record) bool {
	secrets := func(r rotate.Record) (all []session.Secret) {
		for _, c := range append(r.Candidates, r.Current) {
			all = append(all, c.Secret)
		}
		return all
	}
	sa, sb := secrets(a), secrets(b)
	if len(sa) != len(sb) {
		return false
	}
	for i := range sa {
		if !sa[i].Equal(sb[i]) {
			return false
		}
	}
	strip := func(r rotate.Record) rotate.Record {
		r.Current.Secret = session.Secret{}
		var bare []rotate.Candidate
		for _, c := range r.Candidates {
			c.Secret = session.Secret{}
			bare = append(bare, c)
		}
		r.Candidates = bare
		return r
	}
	return reflect.DeepEqual(strip(a), strip(b))
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	for _, record := range []rotate.Record{
		fullRecord(),
		{ClientID: clientID, Current: rotate.Candidate{Secret: session.NewSecret([]byte("s"))}},
	} {
		text, err := rotate.EncodeRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		got, err := rotate.DecodeRecord(text)
		if err != nil || !sameRecord(got, record) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// TestRecordRefused: what would be lost when it is written again, or has no secret, is no record.
func TestRecordRefused(t *testing.T) {
	t.Parallel()
	good, err := rotate.EncodeRecord(fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":             "",
		"null":              "null",
		"no secret":         `{"version":1,"client_id":"a","current":{}}`,
		"no client id":      `{"version":1,"current":{"secret":"QQ=="}}`,
		"unknown member":    `{"version":1,"client_id":"a","current":{"secret":"QQ=="},"later":1}`,
		"not base64":        `{"version":1,"client_id":"a","current":{"secret":"CANARY!"}}`,
		"trailing":          string(good) + "x",
		"two":               string(good) + string(good),
		"truncated":         string(good[:len(good)-1]),
		"candidate without": `{"version":1,"client_id":"a","current":{"secret":"QQ=="},"candidates":[{}]}`,
	} {
		_, err := rotate.DecodeRecord([]byte(text))
		if !errors.Is(err, rotate.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: the error quotes the record", name)
		}
	}
}

// FuzzRecord: what is decoded is what encoding/json reads, and survives another round.
func FuzzRecord(f *testing.F) {
	text, err := rotate.EncodeRecord(fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"client_id":"a","current":{"secret":"QQ=="}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		record, err := rotate.DecodeRecord(text)
		if err != nil {
			if !errors.Is(err, rotate.ErrCorrupt) {
				t.Fatalf("untyped: %v", err)
			}
			return
		}
		var want struct {
			Current struct {
				Secret []byte `json:"secret"`
			} `json:"current"`
		}
		if err := json.Unmarshal(text, &want); err != nil || !bytes.Equal(want.Current.Secret, record.Current.Secret.Reveal()) {
			t.Fatalf("another secret than json reads (%v)", err)
		}
		again, err := rotate.EncodeRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := rotate.DecodeRecord(again); err != nil || !sameRecord(twice, record) {
			t.Fatalf("not the same after another round: %v", err)
		}
	})
}
