package deribittest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Replay is a server that plays the exchange's side of a recording to a client, so that what happened once becomes a test.
//
// The client's first connection gets the recorded one that began first, and so on. What the exchange sent is sent in its order and with
// its pauses, but not before the client has made the requests that came before it in the recording. They are known by their
// methods, whatever their parameters; replies carry the ids of the client's.
//
// There is no exchange behind it: it judges no parameter and no signature, and leaves unanswered what is not in the recording.
// The ends of connections are not recorded: one is cut after its last frame if another one begins after that, and else stays
// open. Pings, REST and refused handshakes are not played, nor is the time moved on that frames tell.
type Replay struct {
	listener net.Listener
	http     *http.Server
	running  sync.WaitGroup // every goroutine of the server, and its HTTP connections
	stop     chan struct{}

	mu      sync.Mutex // protects what follows, and what is marked in the scripts
	closed  bool
	scripts []*script
	begun   int // scripts that have their connection
	excess  int // connections for which there was none
}

// NewReplay reads a recording, as [Recorder.WriteTo] writes it, and serves it on l; nil listens on 127.0.0.1, on a free port. The
// error is that of reading or listening, or tells the line that is none of a recording.
func NewReplay(recording io.Reader, l net.Listener) (*Replay, error) {
	scripts, err := readScripts(recording)
	if err == nil && l == nil {
		l, err = net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a listener on loopback has nothing to wait for
	}
	if err != nil {
		return nil, fmt.Errorf("deribittest: replay: %w", err)
	}
	r := &Replay{listener: l, scripts: scripts, stop: make(chan struct{})}
	r.http = &http.Server{
		Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: 10 * time.Second, ConnState: countHTTP(&r.running),
	}
	r.running.Go(func() { _ = r.http.Serve(l) }) // it ends with ErrServerClosed
	return r, nil
}

// URL returns the address of the WebSocket API.
func (r *Replay) URL() string { return "ws://" + r.listener.Addr().String() + websocketPath }

// Close ends every connection abruptly, closes the listener and waits until every goroutine of the server has ended. It may be
// called again.
func (r *Replay) Close() error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.stop)
	}
	r.mu.Unlock()
	err := r.http.Close()
	r.running.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("deribittest: replay: close: %w", err)
	}
	return nil
}

// Err tells where the client and the recording have parted so far: what was not asked for, or not played yet, and what was asked
// beyond the recording. It is nil when all was played, and nothing else asked.
func (r *Replay) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for i, s := range r.scripts {
		if i >= r.begun {
			errs = append(errs, fmt.Errorf("deribittest: replay: connection %d: nobody came", s.number))
			continue
		}
		errs = append(errs, s.partedLocked()...)
	}
	if r.excess > 0 {
		errs = append(errs, fmt.Errorf("deribittest: replay: %d connections more than were recorded", r.excess))
	}
	return errors.Join(errs...)
}

// begin gives a connection its script. Without one it is refused.
func (r *Replay) begin() *script {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil
	case r.begun == len(r.scripts):
		r.excess++
		return nil
	}
	r.running.Add(1)
	r.begun++
	return r.scripts[r.begun-1]
}

func (r *Replay) serve(w http.ResponseWriter, req *http.Request) {
	s := r.begin()
	if s == nil {
		http.Error(w, "no more connections are recorded", http.StatusServiceUnavailable)
		return
	}
	defer r.running.Done()
	ws, err := websocket.Accept(w, req, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered the request
	}
	ws.SetReadLimit(maxDiscard)
	ctx, end := context.WithCancel(context.WithoutCancel(req.Context()))
	defer end()
	var playing sync.WaitGroup
	playing.Go(func() {
		select {
		case <-r.stop:
			end()
		case <-ctx.Done():
		}
	})
	playing.Go(func() {
		if r.play(ctx, ws, s) && s.cut {
			end()
		}
	})
	for {
		_, data, err := ws.Read(ctx)
		if err != nil {
			break
		}
		r.ask(s, data)
	}
	end()
	playing.Wait()
	_ = ws.CloseNow() // closed already: this joins what the library runs
}

// play plays a script, and reports whether it came to its end.
func (r *Replay) play(ctx context.Context, ws *websocket.Conn, s *script) bool {
	ids := make(map[string]json.RawMessage) // the client's, by the recorded
	var before int64
	for _, line := range s.lines {
		var err error
		if line.In {
			err = r.await(ctx, s, line, ids)
		} else if err = pause(ctx, time.Duration(line.Micros-before)*time.Microsecond); err == nil {
			err = ws.Write(ctx, websocket.MessageText, line.answering(ids))
		}
		if err != nil {
			return false // the connection is over
		}
		before = line.Micros
		r.mu.Lock()
		s.played++
		r.mu.Unlock()
	}
	return true
}

// pause waits as long as the exchange did.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask notes a request of the client's.
func (r *Replay) ask(s *script, data []byte) {
	m, _ := parseMessage(data) // what is no request has no method, and is in the way of none
	r.mu.Lock()
	s.asked[m.method] = append(s.asked[m.method], m.id)
	r.mu.Unlock()
	signal(s.came)
}

// await waits for the client to make a recorded request, and notes by which id it did.
func (r *Replay) await(ctx context.Context, s *script, line recorded, ids map[string]json.RawMessage) error {
	for {
		r.mu.Lock()
		waiting := s.asked[line.Method]
		if len(waiting) > 0 {
			s.asked[line.Method] = waiting[1:]
		}
		r.mu.Unlock()
		if len(waiting) > 0 {
			ids[string(line.id())] = waiting[0]
			return nil
		}
		select {
		case <-s.came:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
