package deribittest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// script is what a Replay plays on one connection.
type script struct {
	number      uint64 // of the recorded connection
	lines       []recorded
	first, last int  // lines of the recording
	cut         bool // another connection begins after the last

	came chan struct{} // the client has made a request

	played int                          // guarded by Replay.mu
	asked  map[string][]json.RawMessage // guarded by Replay.mu; ids of requests that the script did not come to yet, by method
}

// partedLocked tells what is left of the script, and what was asked beyond it.
func (s *script) partedLocked() []error {
	var errs []error
	if s.played < len(s.lines) {
		next, what := s.lines[s.played], "was not sent"
		if next.In {
			what = "was not asked for"
		}
		errs = append(errs, fmt.Errorf("deribittest: replay: connection %d: frame %d of %d, %q, %s", s.number, s.played+1, len(s.lines), next.Method, what))
	}
	for _, method := range slices.Sorted(maps.Keys(s.asked)) {
		if n := len(s.asked[method]); n > 0 {
			errs = append(errs, fmt.Errorf("deribittest: replay: connection %d: %q was asked for %d times more than recorded", s.number, method, n))
		}
	}
	return errs
}

// readScripts sorts the lines of a recording by connection.
func readScripts(recording io.Reader) ([]*script, error) {
	var scripts []*script
	byNumber := make(map[uint64]*script)
	in := bufio.NewReader(recording)
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(text) == 0 {
			break
		}
		var line recorded
		if err := json.Unmarshal(text, &line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if line.Conn == 0 || !line.In && line.Frame == nil {
			return nil, fmt.Errorf("line %d: no frame of a connection", n)
		}
		s := byNumber[line.Conn]
		if s == nil {
			s = &script{number: line.Conn, first: n, came: make(chan struct{}, 1), asked: make(map[string][]json.RawMessage)}
			byNumber[line.Conn] = s
			scripts = append(scripts, s)
		}
		s.lines, s.last = append(s.lines, line), n
	}
	for _, s := range scripts {
		s.cut = s.last < scripts[len(scripts)-1].first
	}
	return scripts, nil
}

// id is the id of a request or reply, nil without.
func (l recorded) id() json.RawMessage {
	var e envelope
	if json.Unmarshal(l.Frame, &e) != nil {
		return nil
	}
	return e["id"]
}

// answering is the line's frame, with the client's id in the place of the recorded one.
func (l recorded) answering(ids map[string]json.RawMessage) []byte {
	recorded := l.id()
	id := ids[string(recorded)]
	if recorded == nil || id == nil {
		return l.Frame
	}
	frame, err := rewriteFrame(l.Frame, func(name string, value json.RawMessage) json.RawMessage {
		if name == "id" {
			return id
		}
		return value
	})
	if err != nil {
		return l.Frame // no object
	}
	return frame
}
