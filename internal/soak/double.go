package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	netrpc "net/rpc"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// double serves one simulated exchange, and obeys over net/rpc. It remembers all that it ever saw (tokens, orders, labels),
// so that the process whose memory is measured is better another one.
type double struct {
	server  *deribittest.Server
	watch   string       // the channel whose frames are timed
	sent    atomic.Int64 // frames
	watched atomic.Int64 // of them of the watched channel
	press   press
	engine  deribittest.Key

	pumping sync.WaitGroup
	stop    chan struct{} // ends the pump, nil while there is none

	mu    sync.Mutex // protects times
	times []int64
}

// Setup is what a double is asked to be.
type Setup struct {
	Reset deribittest.ResetProfile
	Tick  time.Duration // as in deribittest.Config
	TLS   bool
	Cut   int    // about how many calls a connection lives, 0 for ever
	Watch string // a channel, see Times

	Reorder    bool // as in deribittest.Config, like
	SendBuffer int
}

// Opened is how to reach a double.
type Opened struct {
	URL           string
	Certificate   []byte // of the server, if it speaks TLS
	Engine, Admin deribittest.Key
}

// serve obeys the commands that come over conn until it ends.
func serve(conn io.ReadWriteCloser) error {
	d := &double{}
	commands := netrpc.NewServer()
	if err := commands.RegisterName(doubleName, d); err != nil {
		return err
	}
	commands.ServeConn(conn)
	if d.server == nil {
		return nil
	}
	d.halt()
	return d.server.Close()
}

const doubleName = "Double"

var errNotOpen = errors.New("not open")

// Open starts the exchange.
func (d *double) Open(setup Setup, opened *Opened) error {
	if d.server != nil {
		return errors.New("open already")
	}
	// Many sessions and their throwaway connections come from one address here.
	cfg := deribittest.Config{Reset: setup.Reset, Tick: setup.Tick, ConnectionsPerIP: -1, OnFrame: d.note}
	cfg.Reorder, cfg.SendBuffer = setup.Reorder, setup.SendBuffer
	d.watch = setup.Watch
	if setup.TLS {
		certificate, der, err := newCertificate()
		if err != nil {
			return err
		}
		opened.Certificate = der
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	cfg.Listener = listener
	if setup.Cut > 0 {
		cfg.Listener = cutListener{listener, setup.Cut}
	}
	if d.server, err = deribittest.New(cfg); err != nil {
		return err
	}
	opened.URL = d.server.URL()
	d.engine = d.server.AddKey(deribittest.KeyConfig{Name: "engine"})
	opened.Engine = d.engine
	opened.Admin = d.server.AddKey(deribittest.KeyConfig{Name: "admin"})
	return nil
}

// newCertificate makes a certificate that vouches for itself.
func newCertificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(7 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, der, err
}

// CutAll cuts every connection and returns how many there have been.
func (d *double) CutAll(_ bool, connections *uint64) error {
	if d.server == nil {
		return errNotOpen
	}
	d.server.CutConnections()
	*connections = d.server.Stats().Connections
	return nil
}

// Cut cuts the connections of those numbers, and returns how many there were. The market moves before anybody can be back: what is
// cut has missed something.
func (d *double) Cut(numbers []uint64, fired *int) error {
	if d.server == nil {
		return errNotOpen
	}
	before := d.server.Stats().Faults[deribittest.Cut]
	for _, number := range numbers {
		d.server.Inject(deribittest.Fault{Kind: deribittest.Cut, Conn: number})
	}
	for range maxTicks {
		d.server.Tick()
	}
	*fired = int(d.server.Stats().Faults[deribittest.Cut] - before) //nolint:gosec // as many as numbers at most
	return nil
}

// Connections returns how many connections there have been: the number of the last one.
func (d *double) Connections(_ bool, n *uint64) error {
	if d.server == nil {
		return errNotOpen
	}
	*n = d.server.Stats().Connections
	return nil
}

// Executed returns how often an order of each label was accepted.
func (d *double) Executed(labels []string, counts *[]int) error {
	if d.server == nil {
		return errNotOpen
	}
	for _, label := range labels {
		*counts = append(*counts, d.server.Executed(label))
	}
	return nil
}

// Pump moves the market so often that all connections together are sent so many frames a second; 0 stops it.
func (d *double) Pump(rate int, _ *bool) error {
	d.halt()
	switch {
	case d.server == nil:
		return errNotOpen
	case rate == 0:
		return nil
	}
	stop := make(chan struct{})
	d.stop = stop
	d.pumping.Go(func() { d.pump(stop, rate) })
	return nil
}

func (d *double) halt() {
	if d.stop != nil {
		close(d.stop)
		d.stop = nil
	}
	d.pumping.Wait()
}

func (d *double) pump(stop <-chan struct{}, rate int) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	begun, sent := time.Now(), d.sent.Load()
	for {
		select {
		case <-pace.C:
		case <-stop:
			return
		}
		due := int64(time.Since(begun).Seconds() * float64(rate))
		for range maxTicks {
			if d.sent.Load()-sent >= due || d.isBehind() {
				break
			}
			d.server.Tick()
		}
	}
}

// isBehind reports whether messages of the watched channel wait to be written: who reads them is slower than the pump, and the
// exchange would drop the connection in the end.
func (d *double) isBehind() bool {
	return d.watch != "" && int64(d.server.Published(d.watch))-d.watched.Load() > maxBehind //nolint:gosec // a run is short
}

// maxBehind is how many of them may.
const maxBehind = 200

// maxTicks bounds what a pump that has fallen behind asks for at once.
const maxTicks = 20

// note is told of each frame.
func (d *double) note(f deribittest.Frame) {
	d.press.note(f)
	if f.Incoming {
		return
	}
	d.sent.Add(1)
	if d.watch != "" && f.Method == d.watch {
		now := time.Now().UnixNano()
		d.watched.Add(1)
		d.mu.Lock()
		d.times = append(d.times, now)
		d.mu.Unlock()
	}
}

// Times returns when the frames of the watched channel were written, in nanoseconds since 1970, and forgets them.
func (d *double) Times(_ bool, times *[]int64) error {
	if d.watch == "" {
		return errors.New("nothing is watched")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	*times, d.times = d.times, nil
	return nil
}
