package deribittest

import "fmt"

// ResetBehaviour says what private/reset_api_key does beyond the documented, which is only that the old secret is dead at
// once. The exchange documents none of the three: a client must be right under each.
type ResetBehaviour int

// The behaviours of a reset. The zero value is TokensKept.
const (
	// TokensKept leaves every token minted from the key, and every socket, as it was.
	TokensKept ResetBehaviour = iota
	// TokensRevoked kills every token minted from the key. Sockets stay open; private calls on them answer 13009 until a
	// new public/auth. Private channels keep flowing, unless Config.RevokedChannelsSilent is set.
	TokensRevoked
	// SocketsClosed closes every socket authenticated by the key, right after the reply of the reset was written, and
	// kills the key's tokens then. The socket that asked for the reset is closed too if it was authenticated by the key.
	SocketsClosed
)

var resetNames = [...]string{TokensKept: "tokens-kept", TokensRevoked: "tokens-revoked", SocketsClosed: "sockets-closed"}

// String returns the name of the behaviour, as ParseResetBehaviour takes it.
func (b ResetBehaviour) String() string {
	if b < 0 || int(b) >= len(resetNames) {
		return fmt.Sprintf("ResetBehaviour(%d)", int(b))
	}
	return resetNames[b]
}

// ParseResetBehaviour returns the behaviour of the given name: tokens-kept, tokens-revoked or sockets-closed.
func ParseResetBehaviour(name string) (ResetBehaviour, error) {
	for b, n := range resetNames {
		if n == name {
			return ResetBehaviour(b), nil
		}
	}
	return 0, fmt.Errorf("deribittest: reset behaviour %q: want tokens-kept, tokens-revoked or sockets-closed", name)
}

// MarshalText returns the name of the behaviour.
func (b ResetBehaviour) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText sets the behaviour from its name.
func (b *ResetBehaviour) UnmarshalText(text []byte) error {
	v, err := ParseResetBehaviour(string(text))
	if err != nil {
		return err
	}
	*b = v
	return nil
}
