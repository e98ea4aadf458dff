package rpc

// ParseNotification parses a frame that is a notification.
func ParseNotification(text []byte) (Notification, error) {
	var e envelope
	err := e.parse(text, 16)
	return Notification{Method: e.method, Params: e.params, named: e.named}, err
}
