package telemetry

import (
	"sync"

	"go.opentelemetry.io/otel/trace"
)

// openings are the spans of the opening of each session's newest connection, by the session's name, from when a connection
// is opened until its session has ended. A rotation knows its sessions by name, and links to them.
type openings struct {
	mu    sync.Mutex // protects spans
	spans map[string]trace.SpanContext
}

func (o *openings) set(session string, span trace.SpanContext) {
	if !span.IsValid() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.spans == nil {
		o.spans = map[string]trace.SpanContext{}
	}
	o.spans[session] = span
}

func (o *openings) forget(session string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.spans, session)
}

// links is the option that links a span to a session's connection, if one is known.
func (o *openings) links(session string) []trace.SpanStartOption {
	o.mu.Lock()
	defer o.mu.Unlock()
	span, known := o.spans[session]
	if !known {
		return nil
	}
	return []trace.SpanStartOption{trace.WithLinks(trace.Link{SpanContext: span})}
}
