package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// maxOutcomes bounds the combinations of method and outcome that are told apart. The codes of errors are the server's to
// choose.
const maxOutcomes = 256

// outcome is how a call ended, as far as measurements tell.
type outcome struct {
	server  endpoint
	method  string // a known one, or _OTHER
	failure failure
}

// outcomeCache holds the prebuilt options of call measurements: with these a measurement allocates nothing.
type outcomeCache struct {
	telemetry *Telemetry

	mu     sync.Mutex // serializes replacing options
	loaded atomic.Pointer[map[outcome][]metric.RecordOption]
}

func newOutcomeCache(t *Telemetry) *outcomeCache {
	c := &outcomeCache{telemetry: t}
	c.loaded.Store(&map[outcome][]metric.RecordOption{})
	return c
}

func (c *outcomeCache) options(o outcome) []metric.RecordOption {
	if opts, ok := (*c.loaded.Load())[o]; ok {
		return opts
	}
	return c.add(o)
}

// add builds the options of an outcome. When the cache is full the outcome loses what distinguishes it.
func (c *outcomeCache) add(o outcome) []metric.RecordOption {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.loaded.Load()
	if len(old) >= maxOutcomes {
		o.method = other
		if o.failure.kind != succeeded {
			o.failure = failure{kind: failed, id: other}
		}
	}
	if opts, ok := old[o]; ok {
		return opts
	}
	opts := []metric.RecordOption{c.telemetry.with(o.attributes()...)}
	added := maps.Clone(old)
	added[o] = opts
	c.loaded.Store(&added)
	return opts
}

func (o outcome) attributes() []attribute.KeyValue {
	attributes := append([]attribute.KeyValue{keyRPCSystem.String("jsonrpc"), keyRPCMethod.String(o.method)}, o.failure.attributes()...)
	return append(attributes, o.server.attributes()...)
}
