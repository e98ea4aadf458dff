package rotate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// The exchange keeps so many sessions of a key that have a name, and drops the oldest for another one without a word; and takes so many
// connections from one address. Source: its article on connection management.
const (
	maxNamed       = 16
	maxConnections = 32
)

// checkNames sees that the rescue token, which is of a session with a name, has none of the fleet's dropped. One more is left for
// whoever uses the key beside.
func (r *rotation) checkNames() error {
	if r.isIndependent(r.cfg.Authority) {
		return nil
	}
	names := make(map[string]bool)
	for _, s := range r.fleet {
		names[sessionName(s.Scope())] = true
	}
	delete(names, "")
	if len(names) > maxNamed-2 {
		return fmt.Errorf("%d sessions have a scope of their own name: the exchange keeps %d of a key, and the rescue token needs one: "+
			"name %d at most, or set Config.Authority to a session of a second key", len(names), maxNamed, maxNamed-2)
	}
	return nil
}

// sessionName is the name in a scope, empty if it is the connection's.
func sessionName(scope string) string {
	for item := range strings.FieldsSeq(scope) {
		if name, ok := strings.CutPrefix(item, "session:"); ok {
			return name
		}
	}
	return ""
}

// crowded adds to a connection that could not be opened how many there are, if that may be why.
func (r *rotation) crowded(err error) error {
	open := len(r.fleet)
	if a := r.cfg.Authority; a != nil && !slices.ContainsFunc(r.fleet, func(m member) bool { return Authority(m.Session) == a }) {
		open++
	}
	if open < maxConnections-2 {
		return err
	}
	return fmt.Errorf("%w: this program has %d, and the exchange takes %d from one address", err, open, maxConnections)
}

// errCancels is what a rotation warns of.
var errCancels = errors.New("cancel on disconnect is on, and a reset may close the connections of the key, for the exchange does not document " +
	"that it leaves them: their orders would be cancelled: find out with holdfast probe and set Config.ConnectionsSurvive, " +
	"or rotate while no order is open, by Schedule.Condition")

// warnOfCancels tells who has orders that a reset might cancel.
func (r *rotation) warnOfCancels(ctx context.Context) {
	if r.cfg.ConnectionsSurvive {
		return
	}
	var names []string
	for _, s := range r.fleet {
		if s.CancelsOnDisconnect() {
			names = append(names, s.Name())
		}
	}
	if len(names) == 0 {
		return
	}
	r.report.Warnings = append(r.report.Warnings, fmt.Sprintf("sessions %s: %v", strings.Join(names, ", "), errCancels))
	r.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "rotation: orders may be cancelled", slog.Any("sessions", names), slog.Any("reason", errCancels))
}
