package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/session"
)

// TestRotateKeepsAnothersSecret gives the number of another key, on an account whose list of keys needs a code: that other one is reset,
// and its new secret is in a file.
func TestRotateKeepsAnothersSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubject(t, deribittest.Config{}, deribittest.KeyConfig{SecondFactor: true}, deribittest.KeyConfig{SecondFactor: true})
		var said bytes.Buffer
		err := s.rotate(t.Context(), &said, s.server.SecondFactorCode(s.admin.ID)+"\n", "-key-id", strconv.FormatInt(s.admin.ID, 10))
		if !isA[*rotate.UnsavedError](err) || errors.Is(err, rotate.ErrNotExecuted) || !strings.Contains(said.String(), "-key-id is of another key") {
			t.Errorf("%v\n%s", err, &said)
		}
		s.unchanged(t)
		saved, err := (keyFile{path: fmt.Sprintf("%s.unsaved-%d", s.path, s.admin.ID)}).read()
		now, _ := s.server.Key(s.admin.ID)
		if err != nil || saved.ClientID != s.admin.ClientID || string(saved.Secret.Reveal()) != now.Secret || now.Secret == s.admin.Secret {
			t.Errorf("the file does not hold the other key's new secret: %v", err)
		}
		assertNoSecret(t, s.server, said.String())
	})
}

// rotate runs the command for the subject's key.
func (s *subject) rotate(ctx context.Context, said io.Writer, typed string, more ...string) error {
	args := []string{"-accept-lockout", "-url", s.server.URL(), "-client-id", s.key.ClientID, "-secret-file", s.path}
	return (&rotation{netDial: s.dial}).command(ctx, streams{strings.NewReader(typed), io.Discard, said}, append(args, more...))
}

func isA[T error](err error) bool {
	_, is := errors.AsType[T](err)
	return is
}

// TestRotateUnsaved has the journal vanish at the reset, for good or until the secret is in a file of its own.
func TestRotateUnsaved(t *testing.T) {
	for name, isBack := range map[string]bool{"it stays away": false, "it comes back": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				journals := filepath.Join(privateDir(t), "journals")
				if err := os.Mkdir(journals, 0o700); err != nil {
					t.Fatal(err)
				}
				move := func(from, to string) {
					if err := os.Rename(from, to); err != nil {
						t.Error(err)
					}
				}
				s := newSubject(t, deribittest.Config{OnFrame: func(f deribittest.Frame) {
					if f.Method == "private/reset_api_key" && f.Incoming {
						move(journals, journals+"-away")
					}
				}}, deribittest.KeyConfig{}, deribittest.KeyConfig{})
				said := &watcher{what: "nowhere else yet", then: interrupt}
				if isBack {
					said.then = func() { move(journals+"-away", journals) }
				}
				err := s.rotate(ctx, said, "", "-journal", filepath.Join(journals, "journal"))
				assertNoSecret(t, s.server, said.String())
				saved := s.path + ".unsaved-" + strconv.FormatInt(s.key.ID, 10)
				if !isBack {
					if !isA[*rotate.UnsavedError](err) || !strings.Contains(said.String(), "mv "+saved+" "+s.path) {
						t.Errorf("%v\n%s", err, said)
					}
					move(saved, s.path)
				} else if _, gone := os.Lstat(saved); err != nil || !errors.Is(gone, os.ErrNotExist) {
					t.Errorf("%v; the copy: %v\n%s", err, gone, said)
				}
				s.check(t)
			})
		})
	}
}

// TestLifeboat: the last secret of a key is the one that lives, and what had no room is tried once more at the end.
func TestLifeboat(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	var said bytes.Buffer
	file := keyFile{path: filepath.Join(dir, "away", "secret"), clientID: "one"}
	r := &rotation{file: file, lifeboat: &lifeboat{file: file, clientID: "one", told: &said}}
	key := func(word string) rotate.APIKey {
		return rotate.APIKey{ID: 7, ClientID: "one", Secret: session.NewSecret([]byte(word))}
	}
	wantSaved := func(word string) {
		t.Helper()
		text, err := os.ReadFile(file.path + ".unsaved-7")
		if err != nil || strings.TrimSpace(string(text)) != word {
			t.Errorf("saved: %q, %v, want %q", text, err, word)
		}
	}
	r.lifeboat.take(t.Context(), key("CANARY-first"), rotate.ErrCorrupt)
	if !strings.Contains(said.String(), "is lost when this command ends") || !strings.Contains(r.lifeboat.advice(key("CANARY-first")), "is lost") {
		t.Errorf("without room:\n%s", &said)
	}
	if err := os.Mkdir(filepath.Dir(file.path), 0o700); err != nil {
		t.Fatal(err)
	}
	r.advise(&said, rotate.Report{}, &rotate.UnsavedError{Key: key("CANARY-first"), Err: rotate.ErrCorrupt})
	if wantSaved("CANARY-first"); !strings.Contains(said.String(), "mv "+file.path+".unsaved-7") {
		t.Errorf("with room at the end:\n%s", &said)
	}
	r.lifeboat.take(t.Context(), key("CANARY-second"), rotate.ErrCorrupt)
	wantSaved("CANARY-second")
	if strings.Contains(said.String(), "CANARY") {
		t.Error("a secret was told")
	}
}

// watcher calls then at the first write that has what in it.
type watcher struct {
	bytes.Buffer

	what string
	then func()
}

func (w *watcher) Write(p []byte) (int, error) {
	if w.then != nil && bytes.Contains(p, []byte(w.what)) {
		w.then()
		w.then = nil
	}
	return w.Buffer.Write(p)
}

// TestRotateNeedsTheFile: the key's file is replaced by itself before a reset could make it lag behind, and for a dry run another one
// beside it is tried.
func TestRotateNeedsTheFile(t *testing.T) {
	t.Parallel()
	server, key, path := exchange(t, deribittest.Config{}, deribittest.KeyConfig{})
	args := []string{"rotate", "-url", server.URL(), "-client-id", key.ClientID, "-secret-file", path}
	look := func() fs.FileInfo {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	before := look()
	if code, out, errOut := invoke(t, "", append(args, "-dry-run", "-accept-lockout")...); code != 0 || !os.SameFile(before, look()) {
		t.Errorf("a dry run: exit code %d, and the file is another one: %v\n%s%s", code, !os.SameFile(before, look()), out, errOut)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".secret-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	if code, _, errOut := invoke(t, "", args...); code != 1 || os.SameFile(before, look()) || !strings.Contains(errOut, "-accept-lockout") {
		t.Errorf("exit code %d without a second key, and the file was not tried before:\n%s", code, errOut)
	}
	if n := server.Stats().Calls["private/reset_api_key"]; n != 0 || !accepts(t, server, key.ClientID, path) {
		t.Errorf("%d resets", n)
	}
	for _, dryRun := range []bool{false, true} {
		r := rotation{file: keyFile{path: filepath.Join(path, "nowhere"), clientID: "a"}, dryRun: dryRun}
		if _, err := r.tryFile(t.Context(), memstore.New(), session.Credentials{}); err == nil {
			t.Errorf("dry run %v: a file that cannot be written passed", dryRun)
		}
	}
}

// TestSecondQuestion: a line that comes when the time of a question is over is no answer to the next one, which gets its own.
func TestSecondQuestion(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"typed between the questions": true, "typed after both": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				in, typed := io.Pipe()
				defer typed.Close()
				ask := askFactor(t.Context(), newTerminal(in), io.Discard)
				first, cancel := context.WithTimeout(t.Context(), 45*time.Second)
				defer cancel()
				if code, err := ask(first, rotate.Challenge{}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%q, %v", code, err)
				}
				lines := []string{"222222\n"}
				if late {
					lines = []string{"111111\n", "222222\n"}
				}
				for i, line := range lines {
					if i == len(lines)-1 {
						go func() { io.WriteString(typed, line) }()
						break
					}
					if _, err := io.WriteString(typed, line); err != nil {
						t.Error(err)
					}
					synctest.Wait()
				}
				if code, err := ask(t.Context(), rotate.Challenge{}); code != "222222" || err != nil {
					t.Errorf("%q, %v", code, err)
				}
			})
		})
	}
}
