package exchangetest

import (
	"bytes"
	"net"
	"sync"
	"time"
)

type distant struct {
	net.Conn
	roundTrip time.Duration
	once      sync.Once
	ended     chan struct{}

	mu      sync.Mutex // protects parcels
	parcels []parcel
	more    chan struct{}
}

type parcel struct {
	due  time.Time
	data []byte
}

// Away is conn with its other end a round trip away: what is written arrives so much later, and what is read does at once. It is meant
// for bubbles of time, in which the round trip is exact.
func Away(conn net.Conn, roundTrip time.Duration) net.Conn {
	d := &distant{Conn: conn, roundTrip: roundTrip, ended: make(chan struct{}), more: make(chan struct{}, 1)}
	go d.carry()
	return d
}

func (d *distant) Write(data []byte) (int, error) {
	select {
	case <-d.ended:
		return 0, net.ErrClosed
	default:
	}
	d.mu.Lock()
	d.parcels = append(d.parcels, parcel{time.Now().Add(d.roundTrip), bytes.Clone(data)})
	d.mu.Unlock()
	select {
	case d.more <- struct{}{}:
	default: // it is known
	}
	return len(data), nil
}

func (d *distant) carry() {
	for {
		d.mu.Lock()
		on := d.parcels
		d.parcels = nil
		d.mu.Unlock()
		for _, p := range on {
			select {
			case <-time.After(time.Until(p.due)):
			case <-d.ended:
				return
			}
			if _, err := d.Conn.Write(p.data); err != nil {
				return
			}
		}
		select {
		case <-d.more:
		case <-d.ended:
			return
		}
	}
}

func (d *distant) Close() error {
	d.once.Do(func() { close(d.ended) })
	return d.Conn.Close()
}
