package deribittest

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// level is how far a functional scope reaches.
type level int

const (
	levelNone level = iota
	levelRead
	levelReadWrite
)

var levelNames = map[string]level{"none": levelNone, "read": levelRead, "read_write": levelReadWrite}

func (l level) String() string { return [...]string{"none", "read", "read_write"}[l] }

// scopeNames are the functional scopes, in the order in which replies list them.
var scopeNames = []string{"account", "block_rfq", "block_trade", "custody", "trade", "wallet"}

// scope maps functional scopes to levels; what is absent is none.
type scope map[string]level

// parseLevel reads one item such as trade:read_write.
func parseLevel(item string) (name string, l level, ok bool) {
	name, text, _ := strings.Cut(item, ":")
	l, ok = levelNames[text]
	return name, l, ok && slices.Contains(scopeNames, name)
}

// parseScope reads the maximal scope of a key. Every item must be a functional scope.
func parseScope(text string) (scope, bool) {
	s := make(scope)
	for item := range strings.FieldsSeq(text) {
		name, l, ok := parseLevel(item)
		if !ok {
			return nil, false
		}
		s[name] = l
	}
	return s, len(s) > 0
}

// items lists the scope as the exchange writes it, without what is none.
func (s scope) items() []string {
	out := []string{}
	for _, name := range scopeNames {
		if l := s[name]; l > levelNone {
			out = append(out, name+":"+l.String())
		}
	}
	return out
}

func (s scope) String() string { return strings.Join(s.items(), " ") }

// within reports whether no scope of s exceeds that of limit.
func (s scope) within(limit scope) bool {
	for name, l := range s {
		if l > limit[name] {
			return false
		}
	}
	return true
}

// narrow returns the scope left of s when wanted says less. What wanted does not name stays as it is.
func (s scope) narrow(wanted scope) scope {
	out := make(scope, len(s))
	for name, l := range s {
		if w, ok := wanted[name]; ok {
			l = min(l, w)
		}
		out[name] = l
	}
	return out
}

// capped returns what is asked for as far as a token reaches, and the token's own levels where nothing is.
func (s scope) capped(own scope) scope {
	out := maps.Clone(own)
	maps.Copy(out, s.narrow(own))
	return out
}

// scopeRequest is what the scope parameter of public/auth asks for.
type scopeRequest struct {
	session string // empty: connection scope
	life    time.Duration
	ip      string // empty: any
	levels  scope
}

// parseScopeRequest reads the scope parameter. What it does not know it leaves out: the exchange grants less without a word.
func parseScopeRequest(text string) (scopeRequest, *rpcError) {
	r := scopeRequest{levels: make(scope)}
	for item := range strings.FieldsSeq(text) {
		kind, value, _ := strings.Cut(item, ":")
		switch kind {
		case "session":
			r.session = value
		case "expires":
			seconds, err := strconv.ParseInt(value, 10, 32)
			if err != nil || seconds <= 0 {
				return r, invalidParam("scope", "invalid format")
			}
			r.life = time.Duration(seconds) * time.Second
		case "ip":
			if value != "*" && net.ParseIP(value) == nil {
				return r, invalidParam("scope", "invalid format")
			}
			r.ip = strings.TrimSuffix(value, "*")
		default:
			if name, l, ok := parseLevel(item); ok {
				r.levels[name] = l
			}
		}
	}
	return r, nil
}
