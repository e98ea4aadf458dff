package telemetry

// Internals that fuzz tests judge.
var (
	IsPlain      = isPlain
	IsIdentifier = isIdentifier
)

// ErrorNames are the names of errors.
func ErrorNames() (all []string) {
	for _, table := range [][]errorName{verdicts, names} {
		for _, name := range table {
			all = append(all, name.id)
		}
	}
	return all
}

// Endpoint is what is told of a URL.
func Endpoint(rawURL string) (address string, port int) {
	e := endpointOf(rawURL)
	return e.address, e.port
}
