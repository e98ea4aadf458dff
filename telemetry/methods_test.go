package telemetry_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Every method of which the exchange publishes a reply is reported by name.
func TestEveryPublishedMethodIsKnown(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../internal/schematest/schema/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var published struct{ Methods map[string]json.RawMessage }
	if err := json.Unmarshal(data, &published); err != nil {
		t.Fatal(err)
	}
	if len(published.Methods) == 0 {
		t.Fatal("no methods")
	}
	h := newHarness(t)
	calls := h.Calls(t.Context(), connectStep(1))
	for method := range published.Methods {
		call(t.Context(), calls, method, rpc.CallEnd{})
	}
	for _, span := range h.spans.Ended() {
		if span.Name() == "jsonrpc" {
			t.Errorf("a published method is not known: %s", text(span.Attributes()))
		}
	}
}
