package telemetry_test

import (
	"context"
	"fmt"
	"slices"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/telemetry"
)

// One Telemetry observes a session from Dial to Close. The application chooses where spans and metrics go.
func Example() {
	ctx := context.Background()
	recorder := tracetest.NewSpanRecorder()
	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))

	tel, err := telemetry.New(telemetry.WithTracerProvider(traces), telemetry.WithMeterProvider(meters))
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := session.Dial(ctx, session.Config{
		URL:      session.TestURL,
		Dialer:   &exchange{}, // an exchange in memory; leave it out to reach the real one
		Observer: tel,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := rpc.Call[string](ctx, s, "public/get_time", nil); err != nil {
		fmt.Println(err)
	}
	if err := s.Close(ctx); err != nil {
		fmt.Println(err)
	}

	var names []string
	for _, span := range recorder.Ended() {
		names = append(names, span.Name())
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		fmt.Println(name)
	}
	// Output:
	// public/get_time
	// public/set_heartbeat
	// session.connect
	// session.dial
	// session.resume
}
