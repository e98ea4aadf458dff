package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// press is a double's record of what it published: everything that it wrote to one connection, of which nothing is lost.
type press struct {
	mu       sync.Mutex // protects the fields below
	conn     uint64     // of the witness, 0 for none
	record   map[string][]Print
	count    int
	heard    map[uint64]time.Time // when each other connection asked for something last
	extra    map[string]int       // faults that happened and that package deribittest does not count
	lastFail error
}

// Print is a message of a record. The change ids are those of a book's message.
type Print struct {
	Sum      uint64
	ID, Prev int64
}

// sum tells messages apart.
func sum(data []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(data) // never fails
	return h.Sum64()
}

// bookIDs are the change ids of a message of a book.
type bookIDs struct {
	ID   int64 `json:"change_id"`
	Prev int64 `json:"prev_change_id"`
}

// note is told of each frame.
func (p *press) note(f deribittest.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.conn == 0 || f.Conn == 0:
	case f.Incoming && f.Conn != p.conn:
		p.heard[f.Conn] = time.Now()
	case !f.Incoming && f.Conn == p.conn && slices.Contains(published, f.Method):
		if err := p.printLocked(f); err != nil {
			p.lastFail = err
		}
	}
}

func (p *press) printLocked(f deribittest.Frame) error {
	var frame struct {
		Params struct {
			Data json.RawMessage `json:"data"`
		} `json:"params"`
	}
	if err := json.Unmarshal(f.Data, &frame); err != nil {
		return err
	}
	one := Print{Sum: sum(frame.Params.Data)}
	if isBook(f.Method) {
		var ids bookIDs
		if err := json.Unmarshal(frame.Params.Data, &ids); err != nil {
			return err
		}
		one.ID, one.Prev = ids.ID, ids.Prev
	}
	p.record[f.Method] = append(p.record[f.Method], one)
	p.count++
	return nil
}

func (p *press) printed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// recent are the connections that asked for something a moment ago, in the order in which they came.
func (p *press) recent() (numbers []uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for number, at := range p.heard {
		if time.Since(at) < recently {
			numbers = append(numbers, number)
		} else {
			delete(p.heard, number)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// recently is more than the pause between two calls of a subject.
const recently = 300 * time.Millisecond

// Keep begins the record: of the connection of that number.
func (d *double) Keep(number uint64, _ *bool) error {
	p := &d.press
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn, p.record, p.heard, p.extra = number, map[string][]Print{}, map[uint64]time.Time{}, map[string]int{}
	return nil
}

// Record returns the record of a channel.
func (d *double) Record(channel string, record *[]Print) error {
	p := &d.press
	p.mu.Lock()
	defer p.mu.Unlock()
	*record = p.record[channel]
	return p.lastFail
}

// Portion is how many messages to publish, and how many in a second.
type Portion struct{ N, Rate int }

// Publish moves the market until so many more messages are in the record, and returns how many there are.
func (d *double) Publish(portion Portion, messages *int) error {
	if d.server == nil {
		return errNotOpen
	}
	beat := time.NewTicker(time.Millisecond)
	defer beat.Stop()
	first, begun, moved := d.press.printed(), time.Now(), time.Now()
	for count := first; count < first+portion.N; {
		<-beat.C
		was := count
		count = d.press.printed()
		if count > was {
			moved = time.Now()
		}
		behind := first + int(time.Since(begun).Seconds()*float64(portion.Rate)) - count
		switch idle := time.Since(moved); {
		case idle > 10*time.Second:
			return fmt.Errorf("the witness has been written nothing for %v", idle)
		case count == was && idle < time.Second && count > first:
			continue // what was published is still to be written
		}
		for range min(maxTicks, behind) {
			d.server.Tick()
		}
	}
	*messages = d.press.printed()
	return nil
}

// Strike has a fault befall one of the connections, and reports whether there was one.
func (d *double) Strike(b Blow, struck *bool) error {
	if d.server == nil {
		return errNotOpen
	}
	open := d.press.recent()
	if *struck = len(open) > 0; !*struck {
		return nil
	}
	f := deribittest.Fault{Kind: deribittest.FaultKind(b.Kind), Conn: open[b.Pick%uint64(len(open))], For: b.For}
	switch b.Kind {
	case maintain:
		return d.maintain(b, f.Conn)
	case loseChange:
		d.server.LoseNotification(published[b.Pick%books])
		d.press.happened(loseChange)
		return nil
	case evict:
		return d.evict()
	}
	if b.Method != "" && slices.Contains(ofRequests, b.Kind) {
		f.Conn, f.Method = 0, b.Method
	}
	d.server.Inject(f)
	return nil
}

// books is how many of the channels are books: the first ones.
const books = 3

func (p *press) happened(kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.extra[kind]++
}

func (d *double) maintain(b Blow, number uint64) error {
	d.server.SetPlatform(deribittest.Platform{Maintenance: true})
	if b.Pick%2 == 0 {
		d.server.Inject(deribittest.Fault{Kind: deribittest.Cut, Conn: number})
	}
	<-time.After(b.For)
	d.server.SetPlatform(deribittest.Platform{})
	d.press.happened(maintain)
	return nil
}

// evict opens as many named sessions of the engine's key as it may have.
func (d *double) evict() error {
	before := d.server.Stats().Evicted
	for i := range 16 {
		query := url.Values{
			"grant_type": {"client_credentials"}, "client_id": {d.engine.ClientID}, "client_secret": {d.engine.Secret},
			"scope": {fmt.Sprintf("session:intruder-%d", i)},
		}
		if err := get(d.server.RESTURL() + "/public/auth?" + query.Encode()); err != nil {
			return err
		}
	}
	if d.server.Stats().Evicted > before {
		d.press.happened(evict)
	}
	return nil
}

func get(from string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Get(from) //nolint:noctx // has a timeout, of this process's own server
	if err != nil {
		return errors.New("an intruder could not log in") // the error would quote the secret
	}
	defer func() { _ = answer.Body.Close() }() // read to its end
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("an intruder's login got %s", answer.Status)
	}
	return nil
}

// Fired returns how often each kind of fault has happened.
func (d *double) Fired(_ bool, fired *map[string]int) error {
	if d.server == nil {
		return errNotOpen
	}
	faults := d.server.Stats().Faults
	d.press.mu.Lock()
	defer d.press.mu.Unlock()
	*fired = map[string]int{}
	for kind, n := range faults {
		(*fired)[string(kind)] += int(n) //nolint:gosec // a run is short
	}
	for kind, n := range d.press.extra {
		(*fired)[kind] += n
	}
	return nil
}

// CutOthers cuts every connection but the witness's.
func (d *double) CutOthers(_ bool, _ *bool) error {
	if d.server == nil {
		return errNotOpen
	}
	for number := range d.server.Stats().Connections {
		if number+1 != d.press.conn {
			d.server.Inject(deribittest.Fault{Kind: deribittest.Cut, Conn: number + 1})
		}
	}
	return nil
}
