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
	e := endpoint{address: u.Hostname()}
	switch port, err := strconv.Atoi(u.Port()); {
	case err == nil:
		e.port = port
	case u.Scheme == "wss":
		e.port = 443
	case u.Scheme == "ws":
		e.port = 80
	}
	return e
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
