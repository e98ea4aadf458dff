package transporttest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// netDial is the type of rpc.DialConfig.NetDial.
type netDial = func(ctx context.Context, network, addr string) (net.Conn, error)

// script is what a server does with one connection; the test fails if it returns an error.
type script func(p *peer) error

// afterAccept is the script that performs the opening handshake and goes on with next.
func afterAccept(next script) script {
	return func(p *peer) error {
		if err := p.accept(); err != nil {
			return err
		}
		return next(p)
	}
}

// server plays a script to each connection.
type server struct {
	t      *testing.T
	script script
	tls    *tls.Config // nil for ws
	wg     sync.WaitGroup
	dials  atomic.Int64
}

// play runs the script over conn in a goroutine that the test waits for.
func (s *server) play(conn net.Conn) {
	s.dials.Add(1)
	s.wg.Go(func() {
		defer conn.Close()
		if s.tls != nil {
			conn = tls.Server(conn, s.tls)
		}
		if err := s.script(newPeer(conn)); err != nil {
			s.t.Errorf("server: %v", err)
		}
	})
}

// listen starts a server on a port of the loopback and returns it with its address. It ends with the test.
func listen(t *testing.T, tlsConfig *tls.Config, play script) (*server, string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, script: play, tls: tlsConfig}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.play(conn)
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("server: close: %v", err)
		}
		s.wg.Wait()
	})
	return s, l.Addr().String()
}

// inMemory starts a server without a network and returns the NetDial that leads to it. It ends with the test.
func inMemory(t *testing.T, tlsConfig *tls.Config, play script) netDial {
	t.Helper()
	s := &server{t: t, script: play, tls: tlsConfig}
	t.Cleanup(s.wg.Wait)
	return func(context.Context, string, string) (net.Conn, error) {
		client, conn := net.Pipe()
		s.play(conn)
		return client, nil
	}
}

// connect dials a server of its own that performs the handshake and goes on with next. The transport is closed with the
// test.
func connect(t *testing.T, d rpc.Dialer, next script) rpc.Transport {
	t.Helper()
	return connectLimited(t, d, 0, next)
}

func connectLimited(t *testing.T, d rpc.Dialer, limit int64, next script) rpc.Transport {
	t.Helper()
	_, addr := listen(t, nil, afterAccept(next))
	return dial(t, d, rpc.DialConfig{URL: "ws://" + addr + "/ws/api/v2", ReadLimit: limit})
}

func dial(t *testing.T, d rpc.Dialer, cfg rpc.DialConfig) rpc.Transport {
	t.Helper()
	tr, err := d.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { closeTransport(t, tr) })
	return tr
}

func closeTransport(t *testing.T, tr rpc.Transport) {
	t.Helper()
	if err := tr.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// identity is a server's certificate and the pool of the authority that signed it: itself.
type identity struct {
	server *tls.Config
	pool   *x509.CertPool
}

// NewIdentity makes a certificate for host that ended, or will end, at notAfter, a year after it began. It returns what its
// server needs, and a client that trusts it.
func NewIdentity(t *testing.T, host string, notAfter time.Time) (server, client *tls.Config) {
	t.Helper()
	id := newIdentity(t, host, notAfter)
	return id.server, id.client()
}

// newIdentity makes a certificate for host that ended, or will end, at notAfter.
func newIdentity(t *testing.T, host string, notAfter time.Time) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             notAfter.AddDate(-1, 0, 0),
		NotAfter:              notAfter,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return identity{
		server: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		},
		pool: pool,
	}
}

func (id identity) client() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: id.pool}
}
