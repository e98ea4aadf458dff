package telemetry

// Internals that fuzz tests judge.
var (
	IsPlain      = isPlain
	IsIdentifier = isIdentifier
)

// Endpoint is what is told of a URL.
func Endpoint(rawURL string) (address string, port int) {
	e := endpointOf(rawURL)
	return e.address, e.port
}
