package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/session"
)

// desk is where a person replaces a key: the exchange, the credentials file, and the command that is typed again and again.
type desk struct {
	server  *deribittest.Server
	key     deribittest.Key
	path    string // of the credentials file
	args    []string
	secrets []string // private keys that the files have had: the exchange does not know them
}

// newDesk has a key of a kind: secret, ed25519 or rsa.
func newDesk(t *testing.T, cfg deribittest.Config, key deribittest.KeyConfig, kind string) *desk {
	t.Helper()
	d := &desk{server: exchangetest.New(t, cfg), path: filepath.Join(privateDir(t), "key")}
	secret := ""
	if kind != "secret" {
		secret, key.PublicKey = pemPair(t, kind)
	}
	d.key = d.server.AddKey(key)
	if secret == "" {
		secret = d.key.Secret
	}
	if err := writeSecretFile(d.path, []byte(d.key.ClientID+"\n"+secret)); err != nil {
		t.Fatal(err)
	}
	d.args = []string{
		"rotate", "-strategy", "replace", "-overlap", "10ms", "-v", "-url", d.server.URL(), "-credentials-file", d.path,
	}
	return d
}

// pemPair makes the two halves of a key.
func pemPair(t *testing.T, kind string) (private, public string) {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(nil)
	signer := any(ed)
	publicKey := any(ed.Public())
	if kind == "rsa" {
		var long *rsa.PrivateKey
		long, err = rsa.GenerateKey(rand.Reader, 2048)
		signer, publicKey = long, &long.PublicKey
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(publicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER}))
}

// run is what a person does: the command, and the code of the second factor. No secret is printed.
func (d *desk) run(t *testing.T, more ...string) (code int, out, errOut string) {
	t.Helper()
	return d.runWith(t, 2, more...)
}

// runWith is run by a person who has so many codes.
func (d *desk) runWith(t *testing.T, codes int, more ...string) (code int, out, errOut string) {
	t.Helper()
	d.remember(t)
	var stdout, stderr bytes.Buffer
	typing := &device{server: d.server, key: d.key.ID, left: codes}
	code = run(t.Context(), streams{typing, &stdout, &stderr}, append(slices.Clone(d.args), more...))
	d.remember(t)
	d.assertQuiet(t, stdout.String()+stderr.String())
	return code, stdout.String(), stderr.String()
}

// device shows codes as long as it is asked.
type device struct {
	server *deribittest.Server
	key    int64
	left   int
}

func (d *device) Read(b []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	d.left--
	return copy(b, d.server.SecondFactorCode(d.key)+"\n"), nil
}

// remember keeps what the credentials file has.
func (d *desk) remember(t *testing.T) {
	t.Helper()
	if text, err := os.ReadFile(d.path); err == nil {
		_, secret, _ := strings.Cut(string(text), "\n")
		d.secrets = append(d.secrets, strings.TrimSpace(secret))
	}
}

// assertQuiet sees that no secret was printed, nor a line of a private key.
func (d *desk) assertQuiet(t *testing.T, said string) {
	t.Helper()
	for _, secret := range slices.Concat(d.server.Secrets(), d.secrets) {
		for line := range strings.Lines(secret) {
			line = strings.TrimSpace(line)
			if len(line) <= 6 || strings.HasPrefix(line, "-----") { // a code may be in any time by chance
				continue
			}
			if strings.Contains(said, line) {
				t.Errorf("a secret was printed: %d bytes long", len(line))
			}
		}
	}
}

// text is what the file has.
func (d *desk) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// credentials are what the file has, which the exchange takes.
func (d *desk) credentials(t *testing.T) session.Credentials {
	t.Helper()
	creds, err := keyFile{path: d.path}.read()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.TryCredentials(t.Context(), session.Config{URL: d.server.URL()}, creds); err != nil {
		t.Fatalf("the exchange refuses what the file has: %v", err)
	}
	return creds
}

// alone sees that the file has the one key of the account, and that nobody else can read it.
func (d *desk) alone(t *testing.T) session.Credentials {
	t.Helper()
	creds := d.credentials(t)
	if ids := d.clientIDs(t, creds); len(ids) != 1 || ids[0] != creds.ClientID {
		t.Errorf("the account has keys %v, the file %s", ids, creds.ClientID)
	}
	if info, err := os.Stat(d.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	return creds
}

// clientIDs are the keys of the account.
func (d *desk) clientIDs(t *testing.T, creds session.Credentials) (ids []string) {
	t.Helper()
	var keys []struct {
		ClientID string `json:"client_id"`
	}
	d.call(t, creds, "private/list_api_keys", nil, &keys)
	for _, k := range keys {
		ids = append(ids, k.ClientID)
	}
	return ids
}

// call calls a method over a session of its own.
func (d *desk) call(t *testing.T, creds session.Credentials, method string, params, result any) {
	t.Helper()
	s, err := session.Dial(t.Context(), session.Config{URL: d.server.URL(), Credentials: creds})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Call(t.Context(), method, params, result); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// created is how many keys were created, or were to be.
func (d *desk) created() uint64 { return d.server.Stats().Calls["private/create_api_key"] }
