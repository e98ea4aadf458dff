package deribittest

// LoseNotification has the next message of a channel reach nobody, as if it had been lost inside the exchange: for a book, the
// change after it does not follow what its subscribers have. Called n times it loses n messages. First messages of new
// subscribers are not lost.
func (s *Server) LoseNotification(channel string) {
	s.locked(func(ex *exchange) { ex.losing[channel]++ })
}

// loses reports whether a message of a channel is to be lost, and counts it.
func (ex *exchange) loses(channel string) bool {
	left := ex.losing[channel]
	switch left {
	case 0:
		return false
	case 1:
		delete(ex.losing, channel)
	default:
		ex.losing[channel] = left - 1
	}
	return true
}
