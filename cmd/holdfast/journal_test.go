package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/session"
)

// TestRotateGoesOnWithTheJournal: the exchange refuses what the secret file holds, and takes what the journal holds. The file is
// left alone until there is a new secret to put there: what it holds may be nowhere else.
func TestRotateGoesOnWithTheJournal(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	args := []string{"rotate", "-accept-lockout", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path}
	if exit, out, errOut := invoke(t, "", args...); exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
	const refused = "refused-just-now"
	if err := writeSecretFile(path, []byte(refused)); err != nil {
		t.Fatal(err)
	}
	exit, out, errOut := invoke(t, "", append(args, "-key-id", "99")...)
	if exit != 1 || !strings.Contains(errOut, "Config.KeyID is 99") {
		t.Errorf("exit code %d\n%s%s", exit, out, errOut)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != refused {
		t.Errorf("the secret file was overwritten, without a rotation: %v", err)
	}
	exit, out, errOut = invoke(t, "", args...)
	if exit != 0 || !strings.Contains(errOut, "The exchange refuses the secret in "+path) || !accepts(t, server, key.ClientID, path) {
		t.Errorf("exit code %d\n%s%s", exit, out, errOut)
	}
}

// TestJournalOfAnotherKey is refused before anything is done with it.
func TestJournalOfAnotherKey(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	if exit, out, errOut := invoke(t, "", "rotate", "-accept-lockout", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path); exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, out, errOut)
	}
	other := server.AddKey(deribittest.KeyConfig{Name: "other"})
	exit, out, errOut := invoke(t, "", "rotate", "-accept-lockout", "-url", server.URL(), "-client-id", other.ClientID, "-secret-file", path)
	if exit != 1 || !strings.Contains(errOut, "is of client id "+key.ClientID+": give each key a journal of its own") {
		t.Errorf("exit code %d\n%s%s", exit, out, errOut)
	}
}

// outrun is a journal that another command is about to tell of a new secret: after the first Load it has, and has written it to the file.
type outrun struct {
	rotate.Store
	other func()
}

func (s *outrun) Load(ctx context.Context) (rotate.Record, error) {
	record, err := s.Store.Load(ctx)
	if s.other != nil {
		s.other()
		s.other = nil
	}
	return record, err
}

// TestRotateBringsTheFileUpToDate: another command has put a new secret into the key's file while this one tries whether the file can be
// replaced. The file does not keep the old one. Where it has what the journal does not know it is left alone.
func TestRotateBringsTheFileUpToDate(t *testing.T) {
	t.Parallel()
	record := func(word string) rotate.Record {
		return rotate.Record{ClientID: "trader", Current: rotate.Candidate{Secret: session.NewSecret([]byte(word)), Generation: 1}}
	}
	for name, test := range map[string]struct{ journal, file, want string }{
		"first command":       {"", "old-secret", "new-secret"},
		"later command":       {"old-secret", "old-secret", "new-secret"},
		"journal ahead":       {"new-secret", "old-secret", "new-secret"},
		"secret of a person":  {"old-secret", "of-a-person", "of-a-person"},
		"and nobody else (1)": {"", "old-secret", "old-secret"},
		"and nobody else (2)": {"old-secret", "old-secret", "old-secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(privateDir(t), "secret")
			write := func(word string) {
				if err := writeSecretFile(path, []byte(word)); err != nil {
					t.Error(err)
				}
			}
			write(test.file)
			store := &outrun{Store: memstore.New()}
			save := func(word string, ifVersion uint64) uint64 {
				version, err := store.Save(t.Context(), record(word), ifVersion)
				if err != nil {
					t.Error(err)
				}
				return version
			}
			var version uint64
			if test.journal != "" {
				version = save(test.journal, 0)
			}
			if test.want == "new-secret" {
				store.other = func() {
					if test.journal != test.want {
						save(test.want, version)
					}
					write(test.want)
				}
			}
			r := rotation{file: keyFile{path: path, clientID: "trader"}}
			filed := session.Credentials{ClientID: "trader", Secret: session.NewSecret([]byte(test.file))}
			left, err := r.tryFile(t.Context(), store, filed)
			if err != nil {
				t.Fatal(err)
			}
			if name != "journal ahead" && !left.Secret.Equal(session.NewSecret([]byte(test.want))) {
				t.Errorf("it says that the file has another secret than %q", test.want)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != test.want {
				t.Errorf("the file has %q, not %q: %v", text, test.want, err)
			}
		})
	}
}
