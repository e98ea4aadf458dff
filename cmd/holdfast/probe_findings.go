package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// findings are what was seen of an exchange.
type findings struct {
	URL      string     `json:"url"`
	KeyID    int64      `json:"key_id"`
	ClientID string     `json:"client_id"`
	ByAdmin  resetSeen  `json:"reset_by_second_key"`
	ByItself resetSeen  `json:"reset_by_itself"`
	Logins   loginsSeen `json:"logins"`
}

// profile is the findings as configuration: of the double, and of a rotator.
type profile struct {
	Reset                     deribittest.ResetProfile `json:"reset"`
	SelfResetRefused          bool                     `json:"self_reset_refused"`
	SecondFactor              bool                     `json:"second_factor"`
	SecondFactorError         bool                     `json:"second_factor_error"`
	BadSignatureCode          rpc.Code                 `json:"bad_signature_code"`
	ReauthRefused             bool                     `json:"reauth_refused"`
	ReauthDropsPrivate        bool                     `json:"reauth_drops_private"`
	FailedAuthDeauthenticates bool                     `json:"failed_auth_deauthenticates"`
	AuthorizationRequired     bool                     `json:"authorization_required"`
	TokensSurvive             bool                     `json:"tokens_survive"`
}

// profile takes the worse of what two resets did.
func (f *findings) profile() profile {
	a, b := f.ByAdmin, f.ByItself
	p := profile{
		SelfResetRefused:          b.Refused != 0,
		SecondFactor:              a.Factor != factorNone || b.Factor != factorNone,
		SecondFactorError:         a.Factor == factorError || b.Factor == factorError,
		BadSignatureCode:          f.Logins.OldBySignature,
		ReauthRefused:             f.Logins.Again != 0,
		ReauthDropsPrivate:        f.Logins.AgainDropped,
		FailedAuthDeauthenticates: f.Logins.FailedPrivate != 0 || f.Logins.FailedClosed,
		AuthorizationRequired:     f.Logins.DeadToken == session.CodeAuthorizationRequired,
	}
	p.Reset.TokensRevoked = a.tokensRevoked() || b.tokensRevoked()
	p.Reset.SubscriptionsDropped = a.dropped() || b.dropped()
	switch {
	case b.ReplyLost:
		p.Reset.Connections = deribittest.ConnectionsClosedBeforeReply
	case a.closed() || b.closed():
		p.Reset.Connections = deribittest.ConnectionsClosedAfterReply
	}
	p.TokensSurvive = !p.Reset.TokensRevoked
	return p
}

// line prints all of it as one line of JSON.
func (f *findings) line(w io.Writer) error {
	return json.NewEncoder(w).Encode(struct {
		*findings
		Profile profile `json:"profile"`
	}{f, f.profile()})
}

// table prints all of it for people.
func (f *findings) table(w io.Writer) error {
	_, _ = fmt.Fprintf(w, "key %d (%s) at %s\n\n", f.KeyID, f.ClientID, f.URL)
	a, b := f.ByAdmin.answers(), f.ByItself.answers()
	rows := make([][]string, 0, 1+len(resetQuestions))
	rows = append(rows, []string{"a reset", "by another key", "by the key itself"})
	for i, question := range resetQuestions {
		rows = append(rows, []string{question, a[i], b[i]})
	}
	l := f.Logins
	if err := errors.Join(align(w, rows), align(w, [][]string{
		{"login with the old secret, client_signature", taken(l.OldBySignature)},
		{"login with the old secret, client_credentials", taken(l.OldByCredential)},
		{"second login on one connection", taken(l.Again)},
		{"private subscriptions after it", l.again()},
		{"private call after a failed login", l.failed()},
		{"private call with a dead token", taken(l.DeadToken)},
		{"code 13009 (unauthorized)", f.met(session.CodeUnauthorized)},
		{"code 10000 (authorization_required)", f.met(session.CodeAuthorizationRequired)},
	})); err != nil {
		return err
	}
	if f.ByItself.Refused != 0 && f.ByAdmin.closed() {
		_, _ = fmt.Fprint(w, "Whether connections close before a reply or after it shows only where a key may reset itself: after is assumed.\n\n")
	}
	p := f.profile()
	_, err := fmt.Fprintf(w, "As configuration:\n  holdfast sim -behaviour %s\n  holdfast rotate -tokens-survive=%v\n"+
		"  rotate.Config{TokensSurvive: %v, ConnectionsSurvive: %v}\n  session.Config{SubscriptionsSurvive: %v}\n  %s\n  %s\n",
		p.Reset, p.TokensSurvive, p.TokensSurvive, p.connectionsSurvive(), p.subscriptionsSurvive(), p.config(), p.keyConfig())
	return err
}

func (p profile) connectionsSurvive() bool { return p.Reset.Connections == deribittest.ConnectionsKept }

// subscriptionsSurvive is so on a connection that lives on.
func (p profile) subscriptionsSurvive() bool {
	return !p.Reset.SubscriptionsDropped && !p.ReauthDropsPrivate
}

// align prints rows in columns, and an empty line.
func align(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_, _ = fmt.Fprintln(t)
	return t.Flush()
}

// resetQuestions are those that answers answers, in this order.
var resetQuestions = [...]string{
	"is", "asks for a second factor", "its reply", "the connection that asked", "another connection of the key",
	"token of the connection that asked", "token of the other connection", "access token of a named session",
	"refresh token of a named session", "private subscriptions",
}

func (r resetSeen) answers() [len(resetQuestions)]string {
	if r.Refused != 0 {
		return [...]string{taken(r.Refused), r.Factor.String(), "-", "-", "-", "-", "-", "-", "-", "-"}
	}
	reply := "comes"
	if r.ReplyLost {
		reply = "is lost"
	}
	return [...]string{
		"taken", r.Factor.String(), reply, r.Asking.String(), r.Other.String(),
		r.Asking.token(), r.Other.token(), lives(r.SessionAccess), lives(r.SessionRefresh), r.subscriptions(),
	}
}

func (r resetSeen) subscriptions() string {
	switch {
	case r.Other.Closed && r.ResetTold:
		return "told of the reset, then closed"
	case r.Other.Closed:
		return "not even told of the reset"
	case r.OrderTold:
		return "kept"
	}
	return "dropped without a word"
}

func (c *connectionSeen) String() string {
	switch {
	case c == nil:
		return "-"
	case c.Closed:
		return "closed"
	}
	return "stays open"
}

func (c *connectionSeen) token() string {
	switch {
	case c == nil:
		return "-"
	case c.Closed:
		return "ended with it"
	}
	return lives(c.Private)
}

// String says how it was asked for.
func (f factor) String() string {
	switch f {
	case factorChallenge:
		return "yes, by a challenge"
	case factorError:
		return "yes, by error 13668"
	case factorNone:
	}
	return "no"
}

func (l loginsSeen) again() string {
	switch {
	case l.Again != 0:
		return "-"
	case l.AgainDropped:
		return "dropped without a word"
	}
	return "kept"
}

func (l loginsSeen) failed() string {
	if l.FailedClosed {
		return "the connection is closed"
	}
	return taken(l.FailedPrivate)
}

// met says whether a code was.
func (f *findings) met(code rpc.Code) string {
	l := f.Logins
	logins := []rpc.Code{l.OldBySignature, l.OldByCredential, l.DeadToken, l.Again, l.FailedPrivate}
	if slices.Contains(slices.Concat(f.ByAdmin.codes(), f.ByItself.codes(), logins), code) {
		return "raised"
	}
	return "not raised"
}

func taken(code rpc.Code) string {
	if code == 0 {
		return "taken"
	}
	return fmt.Sprintf("refused (%d)", code)
}

func lives(code rpc.Code) string {
	if code == 0 {
		return "lives"
	}
	return fmt.Sprintf("dead (%d)", code)
}

// config is the profile as a deribittest.Config.
func (p profile) config() string {
	var fields []string
	set := func(is bool, text string) {
		if is {
			fields = append(fields, text)
		}
	}
	set(p.Reset.TokensRevoked, "TokensRevoked: true")
	set(p.Reset.SubscriptionsDropped, "SubscriptionsDropped: true")
	switch p.Reset.Connections {
	case deribittest.ConnectionsKept:
	case deribittest.ConnectionsClosedAfterReply:
		set(true, "Connections: deribittest.ConnectionsClosedAfterReply")
	case deribittest.ConnectionsClosedBeforeReply:
		set(true, "Connections: deribittest.ConnectionsClosedBeforeReply")
	}
	reset := "deribittest.ResetProfile{" + strings.Join(fields, ", ") + "}"
	fields = nil
	set(p.Reset != deribittest.ResetProfile{}, "Reset: "+reset)
	set(p.SelfResetRefused, "SelfResetRefused: true")
	set(p.SecondFactorError, "SecondFactorError: true")
	set(p.BadSignatureCode != 0 && p.BadSignatureCode != session.CodeInvalidCredentials, fmt.Sprintf("BadSignatureCode: %d", p.BadSignatureCode))
	set(p.ReauthRefused, "ReauthRefused: true")
	set(p.ReauthDropsPrivate, "ReauthDropsPrivate: true")
	set(p.FailedAuthDeauthenticates, "FailedAuthDeauthenticates: true")
	set(p.AuthorizationRequired, "AuthorizationRequired: true")
	return "deribittest.Config{" + strings.Join(fields, ", ") + "}"
}

func (p profile) keyConfig() string {
	if p.SecondFactor {
		return "deribittest.KeyConfig{SecondFactor: true}"
	}
	return "deribittest.KeyConfig{}"
}
