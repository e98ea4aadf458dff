package session

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/holdfast-ws/holdfast/rpc"
)

// departures is what is to be taken back over one connection. All that comes up while its turn is waited for goes in the same frames:
// where the exchange does not answer, everybody waits for the same answer, and not one after the other.
type departures struct {
	mu   sync.Mutex // protects next
	next *departure // whose turn has not come, nil if nothing is to be taken back
}

// departure is one unsubscribe for several who leave.
type departure struct {
	names  []string         // protected by the lock of departures until its turn has come
	done   chan struct{}    // closed after failed was stored
	failed map[string]error // by channel
}

// join adds names to the next departure, and reports whether they are its first.
func (ds *departures) join(names []string) (d *departure, isFirst bool) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if isFirst = ds.next == nil; isFirst {
		ds.next = &departure{done: make(chan struct{}), failed: map[string]error{}}
	}
	ds.next.names = append(ds.next.names, names...)
	return ds.next, isFirst
}

// board closes the next departure for those who come later.
func (ds *departures) board() {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.next = nil
}

// settle takes back what has been resumed for nobody: its subscription was closed meanwhile. It is called once l is live,
// so that who closes one from now on does so itself.
func (s *Session) settle(l *link) {
	names := s.subs.unwanted(l.resumed)
	l.resumed = nil
	if len(names) == 0 {
		return
	}
	s.work.Go(func() {
		if err := s.takeBack(l.ctx, l, names); err != nil {
			s.log(slog.LevelInfo, "unsubscribe", slog.Any("error", err))
		}
	})
}

// takeBack unsubscribes from those of names that nobody wants by now.
func (s *Session) takeBack(ctx context.Context, l *link, names []string) error {
	d, isFirst := l.departures.join(names)
	if isFirst {
		s.depart(ctx, l, d)
	}
	<-d.done
	for _, name := range names {
		if err := d.failed[name]; err != nil {
			return err
		}
	}
	return nil
}

// depart unsubscribes for all who have joined when its turn comes. What is refused keeps it from none of the others.
func (s *Session) depart(ctx context.Context, l *link, d *departure) {
	defer close(d.done)
	err := l.holdSubscribing(ctx)
	l.departures.board()
	if err != nil {
		return // it has ended, or the next connection takes back what that has resumed for nobody
	}
	defer l.releaseSubscribing()
	names := slices.Compact(slices.Sorted(slices.Values(d.names))) // one may have left twice
	for _, chunk := range chunks(s.subs.unwanted(names), methodUnsubscribePrivate, methodUnsubscribePublic) {
		s.discharge(ctx, l, d, chunk)
	}
}

// discharge unsubscribes for some of a departure. A frame that is refused is halved: those who left together have nothing to do with each other.
func (s *Session) discharge(ctx context.Context, l *link, d *departure, names []string) {
	err := s.giveUp(ctx, l, names)
	switch {
	case err == nil, l.conn.Err() != nil: // the next connection has nothing of them
	case len(names) > 1 && isForbidden(err):
		ctx = Once(ctx) // another authentication for each half would be of no more use
		s.discharge(ctx, l, d, names[:len(names)/2])
		s.discharge(ctx, l, d, names[len(names)/2:])
	default:
		for _, name := range names {
			d.failed[name] = err
		}
	}
}

// giveUp unsubscribes from names. That a frame was not answered keeps it from none of the others.
func (s *Session) giveUp(ctx context.Context, l *link, names []string) (unanswered error) {
	for method, chunk := range chunks(names, methodUnsubscribePrivate, methodUnsubscribePublic) {
		err := s.linkCall(ctx, l, method, channelParams{chunk}, nil)
		if _, isUnanswered := errors.AsType[*rpc.CallError](err); isUnanswered {
			unanswered = err
			continue
		}
		if err != nil {
			return err
		}
		l.served.remove(chunk)
	}
	return unanswered
}
