package deribittest

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// ResetProfile says what private/reset_api_key does beyond the documented, which is only that the old secret is dead at once.
// Not documented: a client must be right under each of the twelve profiles. The zero value leaves everything as it was.
type ResetProfile struct {
	// TokensRevoked kills every token minted from the key. Its connections then answer private calls as those of nobody until a new
	// public/auth.
	TokensRevoked bool
	// SubscriptionsDropped ends the private and raw channels on the connections of the key without a word, before the reset
	// itself is told on user.access_log.
	SubscriptionsDropped bool
	// Connections is what becomes of the connections that the key authenticated.
	Connections ResetConnections
}

// ResetConnections is what a reset does to the connections that the key authenticated. Not documented.
type ResetConnections int

// The fates of connections. The zero value is ConnectionsKept.
const (
	// ConnectionsKept leaves them open.
	ConnectionsKept ResetConnections = iota
	// ConnectionsClosedAfterReply closes them once the reply to the reset was written, the one that asked included, if the key
	// authenticated it. Tokens that are revoked end at that time, not before.
	ConnectionsClosedAfterReply
	// ConnectionsClosedBeforeReply closes them before the reply: a key that resets itself never gets it, another key does.
	ConnectionsClosedBeforeReply
)

// resetWords are the words of a profile's text, by what they are about; the first of each is the zero value.
var resetWords = [3][]string{
	{"tokens-kept", "tokens-revoked"},
	{"subscriptions-kept", "subscriptions-dropped"},
	{"connections-kept", "connections-closed-after-reply", "connections-closed-before-reply"},
}

// socketsClosed is short for socketsClosedWords.
const (
	socketsClosed      = "sockets-closed"
	socketsClosedWords = "tokens-revoked,connections-closed-after-reply"
)

// String returns the word of a ResetProfile's text.
func (c ResetConnections) String() string {
	if c < 0 || int(c) >= len(resetWords[2]) {
		return fmt.Sprintf("ResetConnections(%d)", int(c))
	}
	return resetWords[2][c]
}

// ResetProfiles yields all twelve profiles, the zero value first.
func ResetProfiles() iter.Seq[ResetProfile] {
	return func(yield func(ResetProfile) bool) {
		for i := range 12 {
			p := ResetProfile{TokensRevoked: i%2 == 1, SubscriptionsDropped: i/2%2 == 1, Connections: ResetConnections(i / 4)}
			if !yield(p) {
				return
			}
		}
	}
}

// String returns the profile in three words, such as "tokens-revoked,subscriptions-kept,connections-closed-after-reply".
func (p ResetProfile) String() string {
	tokens, subscriptions := resetWords[0][0], resetWords[1][0]
	if p.TokensRevoked {
		tokens = resetWords[0][1]
	}
	if p.SubscriptionsDropped {
		subscriptions = resetWords[1][1]
	}
	return tokens + "," + subscriptions + "," + p.Connections.String()
}

// ParseResetProfile reads the words of ResetProfile.String, in any order; what they leave out is kept. The text sockets-closed
// is short for tokens-revoked,connections-closed-after-reply.
func ParseResetProfile(text string) (ResetProfile, error) {
	words := text
	if text == socketsClosed {
		words = socketsClosedWords
	}
	told := [3]int{-1, -1, -1} // the words' places in resetWords
	for word := range strings.SplitSeq(words, ",") {
		known := false
		for group, choice := range resetWords {
			if i := slices.Index(choice, word); i >= 0 && told[group] < 0 {
				told[group], known = i, true
			}
		}
		if !known {
			return ResetProfile{}, fmt.Errorf("deribittest: reset profile %q: want %s, or at most one of each of %v, with commas between",
				text, socketsClosed, resetWords)
		}
	}
	return ResetProfile{TokensRevoked: told[0] == 1, SubscriptionsDropped: told[1] == 1, Connections: ResetConnections(max(told[2], 0))}, nil
}

// MarshalText returns the text of String. A fate of connections that there is not is an error.
func (p ResetProfile) MarshalText() ([]byte, error) {
	text := p.String()
	_, err := ParseResetProfile(text)
	return []byte(text), err
}

// UnmarshalText sets the profile as ParseResetProfile reads it.
func (p *ResetProfile) UnmarshalText(text []byte) error {
	v, err := ParseResetProfile(string(text))
	if err != nil {
		return err
	}
	*p = v
	return nil
}
