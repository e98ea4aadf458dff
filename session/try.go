package session

import "context"

// TryCredentials authenticates once with creds on a connection of its own, which it closes again by a logout. cfg says
// where and how, as for [Dial]; its Credentials are not used. It returns nil if the exchange took them; an [*AuthError], a
// [*ScopeError] or a [*ClockSkewError] if it did not; any other error leaves the question open.
func TryCredentials(ctx context.Context, cfg Config, creds Credentials) error {
	cfg.Credentials = creds
	cfg.Heartbeat = -1
	cfg.CancelOnDisconnect = false
	s, err := Dial(ctx, cfg)
	if err != nil {
		return err
	}
	return s.Close(ctx)
}
