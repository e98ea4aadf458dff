package rotate

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// Errors of stores; compare with errors.Is.
var (
	// ErrNotFound is a store that holds no record yet.
	ErrNotFound = errors.New("rotate: store: no record")
	// ErrConflict refuses a Save because the record has another version than the caller saw: load again.
	ErrConflict = errors.New("rotate: store: the record has changed since it was loaded")
	// ErrCorrupt is a record that cannot be trusted: it is damaged, or a newer version has written it.
	ErrCorrupt = errors.New("rotate: store: the record cannot be trusted")
)

// A Store is the durable home of a key's secret, with compare-and-swap on its version. It is safe for concurrent use, by
// several processes too. A ctx that has ended fails Load and Save with its error, and changes nothing. No error quotes a
// record. Package storetest holds a Store against this contract.
type Store interface {
	// Load returns the record as it stands, or an error that matches [ErrNotFound] or [ErrCorrupt].
	Load(ctx context.Context) (Record, error)
	// Save replaces the record if it still has the version ifVersion, 0 for none at all, and returns the version that it has
	// now. It ignores record.Version. When it returns nil the record is durable: it survives the loss of power. An error
	// that matches [ErrConflict] has changed nothing; after any other the record may be the old one or the new one.
	Save(ctx context.Context, record Record, ifVersion uint64) (version uint64, err error)
	// Watch yields the record as it stands, and then each newer one that is seen; some may be skipped, the last one never is.
	// An error in the stream does not end it; an empty store may yield one that matches [ErrNotFound]. It ends with ctx.
	Watch(ctx context.Context) iter.Seq2[Record, error]
}

// Record is what a Store holds of one key. Its slices and pointers are the caller's.
type Record struct {
	// Version rises with each Save, and is the store's to set.
	Version  uint64
	KeyID    int64 // 0 if it is not known yet
	ClientID string
	// Current is the secret that sessions use.
	Current Candidate
	// Candidates are secrets that the exchange gave and that were not promoted yet, in the order in which they came. None is
	// dropped before a later one was verified.
	Candidates []Candidate
	// Intent is the rotation under way, nil if there is none. While it stands, Current may be dead.
	Intent *Intent
	// Replacement is a second key under way, nil if there is none. Current works as long as it stands.
	Replacement *Replacement
	// Former are the client ids of the keys that this one has replaced, the last one last.
	Former []string
	// Lease says who may rotate, nil if nobody ever did. It stays when it is released, so that its epoch only rises.
	Lease *Lease
}

// Candidate is a secret of the key.
type Candidate struct {
	Secret     session.Secret
	Generation uint64
	// Rotation is the id of the rotation that received the secret, empty if a person supplied it.
	Rotation string
	Received time.Time
}

// Intent is a rotation that may have been executed.
type Intent struct {
	ID             string
	Epoch          uint64 // of the lease under which it began
	Started        time.Time
	OldFingerprint string
	// Sent is when the last reset of which no answer is known was about to be sent, zero if there is none.
	Sent time.Time
	// Settling says that the exchange has taken the current secret since, and that a reset may yet be executed: authentications need
	// not wait.
	Settling bool
	// Rescue is a refresh token with which the key can be reset again, if tokens outlive a reset; zero if there is none.
	Rescue session.Secret
}

// Replacement is a second key that takes the place of the first: see [Replace].
type Replacement struct {
	ID   string // of the rotation
	Name string // of the new key at the exchange, which no other has
	// Sent is when the creation of the key was about to be sent.
	Sent time.Time
	// KeyID and ClientID are of the new key, once it is known, and of the old one, which is to be removed, once the new one is current.
	KeyID    int64
	ClientID string
	// Secret is the new key's until it is the current one, then the old key's, until that is removed. That of an asymmetric key, its private
	// half, is here before the key is created; that of another one once the exchange has answered.
	Secret session.Secret
	// Promoted is when the new key became the current one, zero if it has not.
	Promoted time.Time
}

// Lease lets one rotator at a time work on the key. It cannot stop one that was paused and woke up later; for that,
// candidates are only ever added.
type Lease struct {
	Owner   string // empty if it is free
	Epoch   uint64 // rises each time it is taken
	Expires time.Time
}

// Credentials returns the record's current credentials, for [NewKeyring].
func (r Record) Credentials() session.Credentials {
	return session.Credentials{ClientID: r.ClientID, Secret: r.Current.Secret, Generation: r.Current.Generation}
}

// Clone returns a copy that shares no memory with r but its secrets, which are immutable.
func (r Record) Clone() Record {
	r.Candidates = slices.Clone(r.Candidates)
	if r.Intent != nil {
		r.Intent = new(*r.Intent)
	}
	r.Former = slices.Clone(r.Former)
	if r.Replacement != nil {
		r.Replacement = new(*r.Replacement)
	}
	if r.Lease != nil {
		r.Lease = new(*r.Lease)
	}
	return r
}
