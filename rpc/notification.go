package rpc

// Notification is an incoming message that answers no call. Its slices are valid until the handler returns.
type Notification struct {
	Method []byte
	Params []byte
}

// notify hands a notification to the handler. It runs on the reader's goroutine.
func (c *Conn) notify(env *envelope) {
	if c.cfg.Handler == nil {
		c.report(Stray{Kind: StrayNotification, Method: string(env.method)})
		return
	}
	c.counters.notifications.Add(1)
	c.cfg.Handler(Notification{Method: env.method, Params: env.params})
}
