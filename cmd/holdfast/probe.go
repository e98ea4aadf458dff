package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// probe is what the flags of probe say, and what it works with.
type probe struct {
	url             string
	clientID        string
	secretFile      string
	keyID           int64
	adminID         string
	adminSecretFile string
	instrument      string
	wait            time.Duration
	plaintext       bool
	production      bool
	yes             bool
	json            bool

	netDial func(ctx context.Context, network, addr string) (net.Conn, error) // nil outside tests

	ask      func(context.Context, rotate.Challenge) (string, error)
	lifeboat *lifeboat

	admin *session.Session    // of the second key
	creds session.Credentials // of the key that is reset, as they stand
	old   session.Secret      // the one before
	price float64             // of orders that nobody takes
	size  float64
}

// probeKey finds out what a reset of a key does beyond the documented.
func probeKey(ctx context.Context, std streams, args []string) error {
	return (&probe{}).command(ctx, std, args)
}

func (p *probe) command(ctx context.Context, std streams, args []string) error {
	if err := parse(p.flags(), std, args); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	in := newTerminal(std.in)
	p.ask = askFactor(ctx, in, std.err)
	p.lifeboat = &lifeboat{file: keyFile{path: p.secretFile, clientID: p.clientID}, clientID: p.clientID, told: std.err}
	_, _ = fmt.Fprintf(std.err, probePlan, p.clientID, p.url, p.instrument, p.adminID, p.secretFile)
	if err := p.consent(ctx, std, in); err != nil {
		return err
	}
	found, err := p.run(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return found.line(std.out)
	}
	return found.table(std.out)
}

// probePlan is what a person agrees to.
const probePlan = `This finds out what the exchange does when an API key is reset, by doing it:
  - The secret of key %s at %s is reset: by the second key, and then by the key itself.
    Whatever uses the key elsewhere loses it. Use a key of a test account that nobody needs.
  - Orders to buy %s at half its price are placed with the key and cancelled at once.
  - Logins of the key fail three times, on purpose.
  - If a reply is lost, and a new secret with it, the second key %s resets the key again.
Each new secret is written to %s before it is used, and printed nowhere.
`

func (p *probe) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	flags.StringVar(&p.url, "url", session.TestURL, "WebSocket endpoint of the exchange")
	flags.StringVar(&p.clientID, "client-id", "", "client id of a throwaway key with account:read_write and trade:read_write; its secret is reset (needed)")
	flags.StringVar(&p.secretFile, "secret-file", "", "file that holds the key's secret, mode 0600; it is replaced (needed)")
	flags.Int64Var(&p.keyID, "key-id", 0, "the key's number; 0 looks it up, which may ask for a second factor of its own")
	flags.StringVar(&p.adminID, "admin-client-id", "",
		"client id of a second key of the account, with account:read_write and all that the first may do: it brings the first back when a secret is lost (needed)")
	flags.StringVar(&p.adminSecretFile, "admin-secret-file", "", "file that holds the second key's secret (needed)")
	flags.StringVar(&p.instrument, "instrument", "BTC-PERPETUAL", "what the orders are for")
	flags.DurationVar(&p.wait, "wait", 5*time.Second, "how long to wait for what the exchange may do, before it counts as not done")
	flags.BoolVar(&p.plaintext, "allow-plaintext", false, "allow a ws URL to another machine")
	flags.BoolVar(&p.production, "i-mean-production", false, "allow an exchange that is neither test.deribit.com nor on this machine")
	flags.BoolVar(&p.yes, "yes", false, "do not ask before beginning")
	flags.BoolVar(&p.json, "json", false, "print one JSON object")
	return flags
}

// check refuses what must not, or cannot, be done.
func (p *probe) check() error {
	switch {
	case p.clientID == "" || p.secretFile == "":
		return fmt.Errorf("%w: holdfast probe: -client-id and -secret-file are needed; a secret itself is never an argument", errUsage)
	case p.adminID == "" || p.adminSecretFile == "":
		return fmt.Errorf("%w: holdfast probe: -admin-client-id and -admin-secret-file are needed: "+
			"a reset may lose its reply, and only another key brings the key back then", errUsage)
	case p.adminID == p.clientID:
		return fmt.Errorf("%w: holdfast probe: the second key must be another one", errUsage)
	case p.wait <= 0:
		return fmt.Errorf("%w: holdfast probe: -wait must be positive", errUsage)
	case !p.production && !isTestHost(p.url):
		return fmt.Errorf("%w: holdfast probe: %s is not the exchange's test system: a reset breaks whatever uses the key; "+
			"-i-mean-production does it all the same", errUsage, p.url)
	}
	return nil
}

// isTestHost reports whether a URL is that of the exchange's test system, or of this machine. One that cannot be read is
// refused elsewhere.
func isTestHost(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return true
	}
	host := strings.ToLower(u.Hostname())
	ip := net.ParseIP(host)
	return host == "test.deribit.com" || host == "localhost" || ip != nil && ip.IsLoopback()
}

var errDeclined = errors.New("not begun: nothing was changed")

// consent asks before anything is done.
func (p *probe) consent(ctx context.Context, std streams, in *terminal) error {
	if p.yes {
		return nil
	}
	_, _ = fmt.Fprint(std.err, "Type yes to begin: ")
	text, err := in.readLine(ctx)
	if text != "yes" {
		return errors.Join(errDeclined, err)
	}
	return nil
}

// config is how sessions are opened.
func (p *probe) config() session.Config {
	return session.Config{URL: p.url, AllowPlaintext: p.plaintext, NetDial: p.netDial}
}

// run does it. Nothing is changed before all that it needs has been seen to work.
func (p *probe) run(ctx context.Context) (found *findings, err error) {
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.admin.Close(context.WithoutCancel(ctx))) }()
	found = &findings{URL: p.url}
	if found.ByAdmin, err = p.observeAdmin(ctx); err != nil {
		return nil, fmt.Errorf("reset by the second key: %w", err)
	}
	if found.ByItself, err = p.observeItself(ctx); err != nil {
		return nil, fmt.Errorf("reset by the key itself: %w", err)
	}
	if found.Logins, err = p.observeLogins(ctx); err != nil {
		return nil, err
	}
	found.KeyID, found.ClientID = p.keyID, p.creds.ClientID
	return found, nil
}

// open reads the secrets and tries them, and the file, before anything depends on them.
func (p *probe) open(ctx context.Context) error {
	secret, err := readSecretFile(p.secretFile)
	if err != nil {
		return err
	}
	adminSecret, err := readSecretFile(p.adminSecretFile)
	if err != nil {
		return err
	}
	p.creds = session.Credentials{ClientID: p.clientID, Secret: secret, Generation: 1}
	text := secret.Reveal()
	defer clear(text)
	if err := writeSecretFile(p.secretFile, text); err != nil {
		return err
	}
	if err := session.TryCredentials(ctx, p.config(), p.creds); err != nil {
		return err
	}
	cfg := p.config()
	cfg.Credentials = session.Credentials{ClientID: p.adminID, Secret: adminSecret}
	cfg.Scope = "account:read_write"
	if p.admin, err = session.Dial(ctx, cfg); err != nil {
		return fmt.Errorf("second key: %w", err)
	}
	err = p.findKey(ctx)
	if err == nil {
		err = p.quote(ctx)
	}
	if err != nil {
		return errors.Join(err, p.admin.Close(context.WithoutCancel(ctx)))
	}
	return nil
}
