package transporttest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

func (s suite) certificates() {
	t, d := s.T, s.dialer
	now := time.Now()
	good := newIdentity(t, "127.0.0.1", now.Add(time.Hour))
	expired := newIdentity(t, "127.0.0.1", now.Add(-time.Hour))
	foreign := newIdentity(t, "www.deribit.com", now.Add(time.Hour))
	// A server whose handshake failed has nothing to report: the test looks at the client.
	try := func(id identity, client *tls.Config) error {
		_, addr := listen(t, id.server, func(p *peer) error {
			if _, err := p.request(); err != nil {
				return nil //nolint:nilerr // the client broke the handshake off, as it should
			}
			return errors.New("client sent its request")
		})
		err := refusal(t, d, rpc.DialConfig{URL: "wss://" + addr, TLS: client})
		isRefusal(t, err, 0)
		return err
	}

	err := try(good, nil)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("unknown authority: got %v", err)
	}
	err = try(expired, expired.client())
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); !ok || invalid.Reason != x509.Expired {
		t.Errorf("expired: got %v", err)
	}
	err = try(foreign, foreign.client())
	if _, ok := errors.AsType[x509.HostnameError](err); !ok {
		t.Errorf("wrong host: got %v", err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("wrong host: got %T, want a *tls.CertificateVerificationError in it", err)
	}

	_, addr := listen(t, good.server, afterAccept(echo))
	exchange(t, dial(t, d, rpc.DialConfig{URL: "wss://" + addr, TLS: good.client()}), []byte("trusted"))
}

// oldTLS dials a server that speaks TLS 1.1 at most, with a client that would have agreed.
func (s suite) oldTLS() {
	t, d := s.T, s.dialer
	id := newIdentity(t, "127.0.0.1", time.Now().Add(time.Hour))
	id.server.MinVersion, id.server.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	_, addr := listen(t, id.server, func(p *peer) error {
		if _, err := p.request(); err != nil {
			return nil //nolint:nilerr // the client broke the handshake off, as it should
		}
		return errors.New("client sent its request")
	})
	client := id.client()
	client.MinVersion = tls.VersionTLS10
	refused(t, d, rpc.DialConfig{URL: "wss://" + addr, TLS: client}, 0)
	if client.MinVersion != tls.VersionTLS10 || client.ServerName != "" {
		t.Error("dial changed the caller's TLS configuration")
	}
}
