package telemetry

import (
	"go.opentelemetry.io/otel/attribute"
)

// ScopeName is the instrumentation scope of all spans and metrics.
const ScopeName = "github.com/holdfast-ws/holdfast/telemetry"

// schemaURL is the version of the semantic conventions that the names follow. The newest Go package of them is older and
// still has rpc.response.status_code, hence the keys here.
const schemaURL = "https://opentelemetry.io/schemas/1.45.0"

// other stands for every value outside a closed set.
const other = "_OTHER"

// Keys of the semantic conventions.
const (
	keyRPCSystem         = attribute.Key("rpc.system.name")
	keyRPCMethod         = attribute.Key("rpc.method")
	keyRPCMethodOriginal = attribute.Key("rpc.method_original")
	keyRPCStatusCode     = attribute.Key("rpc.status_code")
	keyJSONRPCVersion    = attribute.Key("jsonrpc.protocol.version")
	keyJSONRPCRequestID  = attribute.Key("jsonrpc.request.id")
	keyErrorType         = attribute.Key("error.type")
	keyServerAddress     = attribute.Key("server.address")
	keyServerPort        = attribute.Key("server.port")
	keyIODirection       = attribute.Key("network.io.direction")
)

// Keys of this project.
const (
	keyCallOutcome     = attribute.Key("holdfast.call.outcome")
	keyCallQueued      = attribute.Key("holdfast.call.queue_duration")
	keyCallServer      = attribute.Key("holdfast.call.server_duration")
	keyStrayKind       = attribute.Key("holdfast.stray.kind")
	keySessionName     = attribute.Key("holdfast.session.name")
	keySessionState    = attribute.Key("holdfast.session.state")
	keyEpoch           = attribute.Key("holdfast.session.epoch")
	keyGeneration      = attribute.Key("holdfast.credentials.generation")
	keyChannels        = attribute.Key("holdfast.subscription.channels")
	keyConfirmed       = attribute.Key("holdfast.subscription.confirmed")
	keyChannelKind     = attribute.Key("holdfast.channel.kind")
	keyGapReason       = attribute.Key("holdfast.gap.reason")
	keyRotationID      = attribute.Key("holdfast.rotation.id")
	keyRotationOutcome = attribute.Key("holdfast.rotation.outcome")
	keyTrigger         = attribute.Key("holdfast.rotation.trigger")
	keyKeyID           = attribute.Key("holdfast.key.id")
)

var (
	// callBuckets are those of the conventions, and finer ones below: the bounds that both have still line up.
	callBuckets = []float64{
		0.00025, 0.0005, 0.001, 0.0025,
		0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
	}
	// stepBuckets fit what takes several round trips, or waits for a lease.
	stepBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
)
