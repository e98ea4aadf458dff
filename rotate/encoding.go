package rotate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// recordJSON is how a record is stored: with its secrets, in base64.
type recordJSON struct {
	Version    uint64          `json:"version"`
	KeyID      int64           `json:"key_id"`
	ClientID   string          `json:"client_id"`
	Current    candidateJSON   `json:"current"`
	Candidates []candidateJSON `json:"candidates,omitempty"`
	Intent     *intentJSON     `json:"intent,omitempty"`
	Lease      *leaseJSON      `json:"lease,omitempty"`

	Replacement *replacementJSON `json:"replacement,omitempty"`
	Former      []string         `json:"former,omitempty"`
}

type replacementJSON struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Sent     time.Time `json:"sent,omitzero"`
	KeyID    int64     `json:"key_id,omitempty"`
	ClientID string    `json:"client_id,omitempty"`
	Secret   []byte    `json:"secret,omitempty"`
	Promoted time.Time `json:"promoted,omitzero"`
}

type candidateJSON struct {
	Secret     []byte    `json:"secret"`
	Generation uint64    `json:"generation"`
	Rotation   string    `json:"rotation,omitempty"`
	Received   time.Time `json:"received,omitzero"`
}

type intentJSON struct {
	ID             string    `json:"id"`
	Epoch          uint64    `json:"epoch"`
	Started        time.Time `json:"started,omitzero"`
	OldFingerprint string    `json:"old_fingerprint,omitempty"`
	Sent           time.Time `json:"sent,omitzero"`
	Settling       bool      `json:"settling,omitempty"`
	Rescue         []byte    `json:"rescue,omitempty"`
}

type leaseJSON struct {
	Owner   string    `json:"owner,omitempty"`
	Epoch   uint64    `json:"epoch"`
	Expires time.Time `json:"expires,omitzero"`
}

// EncodeRecord returns the JSON in which stores keep a record, one line, with its secrets in the clear. The caller owns it
// and wipes it with clear after use.
func EncodeRecord(r Record) ([]byte, error) {
	j := recordJSON{
		Version: r.Version, KeyID: r.KeyID, ClientID: r.ClientID, Current: toJSON(r.Current),
		Intent: r.Intent.toJSON(), Lease: (*leaseJSON)(r.Lease),
		Replacement: r.Replacement.toJSON(), Former: r.Former,
	}
	for _, c := range r.Candidates {
		j.Candidates = append(j.Candidates, toJSON(c))
	}
	defer j.wipe()
	text, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("rotate: encode record: %w", err) // a time beyond year 9999
	}
	return text, nil
}

// DecodeRecord is the inverse of [EncodeRecord]. What it does not know is an error that matches [ErrCorrupt] and quotes
// nothing: a field that is skipped when reading would be lost when writing.
func DecodeRecord(text []byte) (Record, error) {
	var j recordJSON
	defer j.wipe()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil { // the decoder's own error could quote a secret
		return Record{}, fmt.Errorf("%w: it is no JSON, or has a member that this version does not know", ErrCorrupt)
	}
	if _, err := d.Token(); err != io.EOF {
		return Record{}, ErrCorrupt
	}
	if j.ClientID == "" || len(j.Current.Secret) == 0 {
		return Record{}, fmt.Errorf("%w: no client id or no secret", ErrCorrupt)
	}
	r := Record{
		Version: j.Version, KeyID: j.KeyID, ClientID: j.ClientID, Current: j.Current.candidate(),
		Intent: j.Intent.intent(), Lease: (*Lease)(j.Lease),
		Replacement: j.Replacement.replacement(), Former: j.Former,
	}
	for _, c := range j.Candidates {
		if len(c.Secret) == 0 {
			return Record{}, fmt.Errorf("%w: a candidate without a secret", ErrCorrupt)
		}
		r.Candidates = append(r.Candidates, c.candidate())
	}
	return r, nil
}

func toJSON(c Candidate) candidateJSON {
	return candidateJSON{Secret: c.Secret.Reveal(), Generation: c.Generation, Rotation: c.Rotation, Received: c.Received}
}

func (c candidateJSON) candidate() Candidate {
	return Candidate{
		Secret: session.NewSecret(c.Secret), Generation: c.Generation, Rotation: c.Rotation, Received: c.Received,
	}
}

func (i *Intent) toJSON() *intentJSON {
	if i == nil {
		return nil
	}
	return &intentJSON{i.ID, i.Epoch, i.Started, i.OldFingerprint, i.Sent, i.Settling, i.Rescue.Reveal()}
}

func (j *intentJSON) intent() *Intent {
	if j == nil {
		return nil
	}
	return &Intent{j.ID, j.Epoch, j.Started, j.OldFingerprint, j.Sent, j.Settling, session.NewSecret(j.Rescue)}
}

func (p *Replacement) toJSON() *replacementJSON {
	if p == nil {
		return nil
	}
	return &replacementJSON{p.ID, p.Name, p.Sent, p.KeyID, p.ClientID, p.Secret.Reveal(), p.Promoted}
}

func (j *replacementJSON) replacement() *Replacement {
	if j == nil {
		return nil
	}
	return &Replacement{j.ID, j.Name, j.Sent, j.KeyID, j.ClientID, session.NewSecret(j.Secret), j.Promoted}
}

func (j *recordJSON) wipe() {
	clear(j.Current.Secret)
	if j.Replacement != nil {
		clear(j.Replacement.Secret)
	}
	if j.Intent != nil {
		clear(j.Intent.Rescue)
	}
	for _, c := range j.Candidates {
		clear(c.Secret)
	}
}
