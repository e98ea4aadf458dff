package session

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// redacted stands wherever a Secret would be printed.
const redacted = "[secret]"

// Secret holds the secret of an API key, the private half of an asymmetric one, or a token. No verb of fmt, no encoder and no logger prints it, not even as an
// unexported field of another struct. The zero Secret is empty. A Secret is immutable and safe for concurrent use; two
// are compared with Equal.
//
// Go cannot promise that no copy stays in memory; what can be promised is that none is printed.
type Secret struct {
	// A closure is the one holder of bytes that fmt prints as an address even where it cannot call methods.
	reveal func() []byte
}

// NewSecret returns a Secret that holds a copy of b. The caller may wipe b.
func NewSecret(b []byte) Secret {
	if len(b) == 0 {
		return Secret{}
	}
	held := bytes.Clone(b)
	return Secret{reveal: func() []byte { return held }}
}

// Reveal returns a copy of the secret bytes, nil if the Secret is empty. The caller wipes it with clear after use.
func (s Secret) Reveal() []byte { return bytes.Clone(s.bytes()) }

// IsZero reports whether the Secret is empty.
func (s Secret) IsZero() bool { return len(s.bytes()) == 0 }

// Equal compares two Secrets in constant time.
func (s Secret) Equal(t Secret) bool { return hmac.Equal(s.bytes(), t.bytes()) }

// Fingerprint is a short digest by which people and logs tell secrets apart: eight hex digits, empty for the empty
// Secret.
func (s Secret) Fingerprint() string {
	if s.IsZero() {
		return ""
	}
	sum := sha256.Sum256(s.bytes())
	return hex.EncodeToString(sum[:4])
}

func (s Secret) bytes() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Format prints a placeholder for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// GoString returns a placeholder.
func (s Secret) GoString() string { return redacted }

// LogValue returns a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON encodes a placeholder: what is meant to keep a secret takes it from Reveal.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText encodes a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalJSON takes the secret from a JSON string.
func (s *Secret) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		// The decoder's own error would quote what it met.
		return errors.New("session: secret is not a JSON string")
	}
	return s.UnmarshalText([]byte(text))
}

// UnmarshalText takes the secret as it is. It refuses the placeholder: what was redacted when it was written is lost.
func (s *Secret) UnmarshalText(b []byte) error {
	if string(b) == redacted {
		return errors.New("session: this secret was redacted when it was written")
	}
	*s = NewSecret(b)
	return nil
}
