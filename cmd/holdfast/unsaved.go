package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// lifeboat takes the secrets that have nowhere else to go, each into a file of its own beside the key's: that of a key whose journal
// takes nothing, or of another that was reset in its place.
type lifeboat struct {
	file     keyFile
	clientID string // of the key to rotate
	told     io.Writer

	mu    sync.Mutex      // protects saved
	saved map[int64]place // by the keys' numbers
}

// place is where a secret was put.
type place struct {
	path   string
	secret session.Secret
}

// take is a rotate.Hooks.OnUnsaved. A command that resets a key more than once may call it for each of the secrets: the last one counts.
func (l *lifeboat) take(_ context.Context, key rotate.APIKey, why error) {
	if l.holds(key) {
		return
	}
	file := keyFile{path: fmt.Sprintf("%s.unsaved-%d", l.file.path, key.ID)}
	if key.ClientID == l.clientID { // it is to take the place of the key's file
		file.clientID = l.file.clientID
	}
	if err := file.write(session.Credentials{ClientID: key.ClientID, Secret: key.Secret}); err != nil {
		_, _ = fmt.Fprintf(l.told, "THE NEW SECRET of key %d (%s) is in no file, and is lost when this command ends. Make room for it now: "+
			"it is tried once more before that: %v; %v\n", key.ID, key.ClientID, why, err)
		return
	}
	l.mu.Lock()
	if l.saved == nil {
		l.saved = map[int64]place{}
	}
	l.saved[key.ID] = place{file.path, key.Secret}
	l.mu.Unlock()
	_, _ = fmt.Fprintf(l.told, "The new secret of key %d (%s) is in %s, and nowhere else yet: %v\n", key.ID, key.ClientID, file.path, why)
}

// path is where a secret of a key is, empty if nowhere.
func (l *lifeboat) path(id int64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved[id].path
}

// holds reports whether the secret of a key is in its file.
func (l *lifeboat) holds(key rotate.APIKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved[key.ID].path != "" && l.saved[key.ID].secret.Equal(key.Secret)
}

// empty removes the file of a rotation that has stored its secret after all.
func (l *lifeboat) empty(id int64) error {
	path := l.path(id)
	if path == "" {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(l.told, "%s is removed: its secret is stored.\n", path)
	return nil
}

// advice says what to do about a secret that was not stored.
func (l *lifeboat) advice(key rotate.APIKey) string {
	switch path := l.path(key.ID); {
	case !l.holds(key):
		return fmt.Sprintf("The new secret of key %d (%s) is lost: reset that key with another one, or on the exchange's website.", key.ID, key.ClientID)
	case key.ClientID == l.clientID:
		return fmt.Sprintf("Type\n  mv %s %s\nand run this command again.", path, l.file.path)
	default:
		return fmt.Sprintf("The exchange reset key %d, which has client id %s: -key-id is of another key. Its new secret is in %s, below that client id: "+
			"give it to whatever uses that key.", key.ID, key.ClientID, path)
	}
}
