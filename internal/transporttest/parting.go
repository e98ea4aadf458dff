package transporttest

// partingWords closes a transport with which something is left, just as the peer wakes up: it gets all of it, and a close
// frame after that.
func (s stall) partingWords() {
	batch := numbered(30, 5000)
	awake := make(chan struct{})
	f := s.connect(func(p *peer) error {
		<-awake
		pongs, err := p.receiveAll(batch)
		if err != nil || len(pongs) > 0 {
			return err
		}
		return p.receiveClose(1000)
	})
	if !try(s.T, f, batch) {
		s.Error("nothing was left, though the peer sleeps")
	}
	close(awake)
	closeTransport(s.T, f)
}
