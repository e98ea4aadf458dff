package telemetry

import (
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
)

// endpoint is what is told of a URL: nothing of its path, query or user information. The zero endpoint tells nothing.
type endpoint struct {
	address string
	port    int
}

func endpointOf(rawURL string) endpoint {
	u, err := url.Parse(rawURL)
	if err != nil {
		return endpoint{}
	}
	return endpoint{address: u.Hostname(), port: portOf(u)}
}

// portOf is the port of a WebSocket URL, 0 if it is not known or none.
func portOf(u *url.URL) int {
	if u.Port() != "" {
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			return 0
		}
		return int(port)
	}
	switch u.Scheme {
	case "wss":
		return 443
	case "ws":
		return 80
	}
	return 0
}

func (e endpoint) attributes() []attribute.KeyValue {
	if e.address == "" {
		return nil
	}
	attributes := []attribute.KeyValue{keyServerAddress.String(e.address)}
	if e.port != 0 {
		attributes = append(attributes, keyServerPort.Int(e.port))
	}
	return attributes
}
