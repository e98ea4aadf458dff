package wsdial

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// parse checks that raw is a ws or wss URL that can be dialed as it stands. Its errors never quote raw.
func parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("URL does not parse") // err quotes the URL
	}
	switch {
	case u.Scheme != "ws" && u.Scheme != "wss":
		return nil, errors.New("URL is neither ws nor wss")
	case u.User != nil:
		return nil, errors.New("URL has user information")
	case u.Hostname() == "":
		return nil, errors.New("URL has no host")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("URL has a host that is not plain ASCII: use its punycode form")
	case u.Fragment != "":
		return nil, errors.New("URL has a fragment")
	}
	return u, nil
}

// address is what a network dialer wants of u.
func address(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "wss":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// display is u without what may be secret: user information and the values of the query.
func display(u *url.URL) string {
	if u == nil {
		return "(bad URL)"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.RawQuery != "" {
		shown.RawQuery = "..."
	}
	return shown.String()
}
