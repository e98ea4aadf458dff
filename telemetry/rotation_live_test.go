package telemetry_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/session"
)

// A rotation over two live sessions is one trace, and none of the secrets and tokens that it saw is in it.
func TestI10RotationIsOneTrace(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	exchange := exchangetest.New(t, deribittest.Config{Reset: deribittest.ResetProfile{TokensRevoked: true}, Tick: -1})
	rotateKey(t, h, exchange)

	var names []string
	spans := h.spans.Ended()
	root := slices.IndexFunc(spans, func(s sdktrace.ReadOnlySpan) bool { return s.Name() == "credentials.rotate" })
	if root < 0 {
		t.Fatal("no span credentials.rotate")
	}
	for _, span := range spans {
		if span.SpanContext().TraceID() == spans[root].SpanContext().TraceID() {
			names = append(names, span.Name())
		}
	}
	for _, want := range []string{
		"lease", "preflight", "intent", "reset", "store", "verify", "publish", "reauthenticate", "reauthenticate",
	} {
		at := slices.Index(names, "credentials.rotate."+want)
		if at < 0 {
			t.Fatalf("no span of the step %s among %q", want, names)
		}
		names = slices.Delete(names, at, at+1)
	}
	// The call that resets the key, and the connection on which its new secret was tried.
	for _, want := range []string{"private/reset_api_key", "session.connect", "session.authenticate", "public/auth"} {
		if !slices.Contains(names, want) {
			t.Errorf("no span %s in the trace of the rotation, but %q", want, names)
		}
	}
	for _, span := range spans {
		if span.Name() == "credentials.rotate.reauthenticate" && len(span.Links()) != 1 {
			t.Errorf("a re-authentication has the links %v, want one to its session's connection", span.Links())
		}
	}
	wantKeys(t, "rotations", histograms(t, h.metrics(t)["holdfast.credentials.rotation.duration"]),
		"holdfast.rotation.trigger=rotate")
	secrets := exchange.Secrets()
	if len(secrets) < 4 {
		t.Errorf("only %d secrets to search for", len(secrets))
	}
	for _, secret := range secrets {
		wantNone(t, h, secret)
	}
}

// rotateKey dials two sessions, rotates their key, and closes them.
func rotateKey(t *testing.T, h *harness, exchange *deribittest.Server) {
	t.Helper()
	key, admin := exchange.AddKey(deribittest.KeyConfig{Name: "engine"}), exchange.AddKey(deribittest.KeyConfig{Name: "admin"})
	record := rotate.Record{
		KeyID: key.ID, ClientID: key.ClientID,
		Current: rotate.Candidate{Secret: session.NewSecret([]byte(key.Secret)), Generation: 1},
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil { // whatever the umask
		t.Fatal(err)
	}
	store, err := filestore.Create(t.Context(), filepath.Join(dir, "secret"), record)
	if err != nil {
		t.Fatal(err)
	}
	keyring := rotate.NewKeyring(record.Credentials())
	sources := map[string]session.CredentialSource{
		"admin":  session.Credentials{ClientID: admin.ClientID, Secret: session.NewSecret([]byte(admin.Secret))},
		"market": keyring,
		"orders": keyring,
	}
	open := map[string]*session.Session{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		s, err := session.Dial(t.Context(), session.Config{
			URL: exchange.URL(), Credentials: sources[name], Name: name, Observer: h, Logger: exchangetest.Logger(io.Discard),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer closeSession(t, s)
		open[name] = s
	}
	rotator, err := rotate.New(rotate.Config{
		Keyring: keyring, Store: store, Sessions: rotate.Fleet(open["market"], open["orders"]), Authority: open["admin"],
		KeyID: key.ID, Throwaway: session.Config{URL: exchange.URL(), Observer: h}, Observer: h,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rotator.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
	if err := rotator.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// Neither the private key that is replaced nor the one that takes its place is in a span or a metric.
func TestI10ReplacedPrivateKeys(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	exchange := exchangetest.New(t, deribittest.Config{Tick: -1})
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key := exchange.AddKey(deribittest.KeyConfig{
		Name: "engine", PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})),
	})
	first := session.NewSecret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER}))
	keyring := rotate.NewKeyring(session.Credentials{ClientID: key.ClientID, Secret: first})
	s, err := session.Dial(t.Context(), session.Config{URL: exchange.URL(), Credentials: keyring, Observer: h})
	if err != nil {
		t.Fatal(err)
	}
	defer closeSession(t, s)
	rotator, err := rotate.New(rotate.Config{
		Keyring: keyring, Store: memstore.New(), Sessions: rotate.Fleet(s), Strategy: rotate.Replace, Overlap: time.Millisecond,
		SecondFactor: func(context.Context, rotate.Challenge) (string, error) { return exchange.SecondFactorCode(key.ID), nil },
		Throwaway:    session.Config{URL: exchange.URL(), Observer: h}, Observer: h,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rotator.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
	if err := rotator.Close(t.Context()); err != nil {
		t.Error(err)
	}
	next := keyring.Current().Secret
	if next.Equal(first) {
		t.Fatal("it was not replaced")
	}
	for _, secret := range []session.Secret{first, next} {
		block, _ := pem.Decode(secret.Reveal())
		body := strings.Split(string(secret.Reveal()), "\n")[1]
		for _, part := range []string{string(block.Bytes[16:]), body[22:34], body[34:46], body[46:58]} {
			wantNone(t, h, part)
		}
	}
}
