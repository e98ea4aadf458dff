package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// open opens the journal, and makes the keyring of what it holds, or of the key's file. A journal that is not there yet is made by
// the rotator.
func (r *rotation) open(ctx context.Context, std streams) (rotate.Store, *rotate.Keyring, error) {
	filed, err := r.file.read()
	if err != nil {
		return nil, nil, err
	}
	store, err := filestore.Open(r.journal)
	if err != nil {
		return nil, nil, err
	}
	filed, err = r.tryFile(ctx, store, filed)
	if err != nil {
		return nil, nil, err
	}
	creds := filed
	record, err := store.Load(ctx)
	switch {
	case errors.Is(err, rotate.ErrNotFound):
		creds.Generation = 1
	case err == nil:
		creds, err = r.reconcile(ctx, std, record, filed)
		if err != nil {
			return nil, nil, err
		}
	default:
		return nil, nil, err
	}
	if _, symmetric := creds.Secret.PublicKey(); symmetric == nil && r.strategy == rotate.ResetInPlace {
		return nil, nil, fmt.Errorf("the key is asymmetric, and has no secret to reset: it can be replaced: %s", r.howToReplace())
	}
	return store, rotate.NewKeyring(creds), nil
}

// tryFile sees that the key's file can be replaced before anything depends on that: by what it holds, if that is what the journal has too,
// else, as for a dry run, another one by nothing. Another command may turn the key meanwhile: it tells the journal before it writes the
// file, which is made to follow, so that it is not left with the secret that is dead since. It returns what the file has then.
func (r *rotation) tryFile(ctx context.Context, store rotate.Store, filed session.Credentials) (session.Credentials, error) {
	text, err := readPrivateFile(r.file.path)
	if err != nil {
		return filed, unreplaceable(err)
	}
	defer clear(text)
	record, err := load(ctx, store)
	switch {
	case err != nil:
		return filed, err
	case r.dryRun || !isCurrent(record, filed):
		return filed, unreplaceable(tryBeside(r.file.path))
	}
	err = writeSecretFile(r.file.path, text)
	for err == nil {
		if record, err = load(ctx, store); err != nil || isCurrent(record, filed) {
			return filed, err
		}
		filed = record.Credentials()
		err = r.file.write(filed)
	}
	return filed, unreplaceable(err)
}

// isCurrent reports whether a journal, which may not be there yet, has no other credentials than these.
func isCurrent(record rotate.Record, c session.Credentials) bool {
	return record.Version == 0 || record.ClientID == c.ClientID && record.Current.Secret.Equal(c.Secret)
}

func tryBeside(path string) error {
	beside, err := os.CreateTemp(filepath.Dir(path), ".secret-*")
	if err != nil {
		return err
	}
	return errors.Join(beside.Close(), os.Remove(beside.Name()))
}

// unreplaceable says of an error, if it is one, what it stands in the way of.
func unreplaceable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the key's file could not be replaced by a later one: %w", err)
}

// reconcile says which credentials to begin with, where there are a key's file and a journal.
func (r *rotation) reconcile(
	ctx context.Context, std streams, record rotate.Record, filed session.Credentials,
) (session.Credentials, error) {
	succeeded := slices.Contains(record.Former, filed.ClientID)
	switch {
	case record.Replacement != nil && !r.file.hasClientID():
		return filed, fmt.Errorf("journal %s: a replacement of the key is unfinished: finish it by the command that began it, which has -credentials-file", r.journal)
	case record.ClientID == filed.ClientID && holds(record, filed.Secret):
		return record.Credentials(), nil
	case record.ClientID == filed.ClientID:
		return r.choose(ctx, std, record, filed.Secret)
	case succeeded && r.file.hasClientID():
		return r.catchUp(ctx, std, record, filed)
	case succeeded:
		return filed, fmt.Errorf("journal %s: client id %s has taken the place of %s: type -client-id %s", r.journal, record.ClientID, filed.ClientID, record.ClientID)
	}
	return filed, fmt.Errorf("journal %s: is of client id %s: give each key a journal of its own; if %s, which the key's file or -client-id "+
		"names, was put in the place of that key by hand, move the journal away", r.journal, record.ClientID, filed.ClientID)
}

// catchUp has the key's file follow a journal in which another key has taken the place of the file's. A crash came before the file was
// written. Nothing is overwritten before the exchange has taken what the journal has.
func (r *rotation) catchUp(
	ctx context.Context, std streams, record rotate.Record, filed session.Credentials,
) (session.Credentials, error) {
	creds := record.Credentials()
	err := session.TryCredentials(ctx, r.config(), creds)
	if _, refused := errors.AsType[*session.AuthError](err); refused {
		return creds, fmt.Errorf("journal %s: client id %s has taken the place of %s, and is refused: enable it on the exchange's website; "+
			"if it is gone, put another key's client id and secret into %s, and move the journal away: %w",
			r.journal, creds.ClientID, filed.ClientID, r.file.path, err)
	}
	if err != nil {
		return creds, err
	}
	if r.dryRun {
		return creds, nil
	}
	if err := r.file.write(creds); err != nil {
		return creds, err
	}
	_, _ = fmt.Fprintf(std.err, "%s had client id %s, which was replaced; now it has %s and its secret.\n", r.file.path, filed.ClientID, creds.ClientID)
	return creds, nil
}

// holds reports whether a record knows a secret.
func holds(record rotate.Record, secret session.Secret) bool {
	return record.Current.Secret.Equal(secret) ||
		slices.ContainsFunc(record.Candidates, func(c rotate.Candidate) bool { return c.Secret.Equal(secret) })
}

// choose decides between a key's file and a journal of the same key that do not know of each other: the file wins if the exchange takes
// its secret, for then a person has put it there; else the journal is what a crash has left behind. The rotator takes a secret of a
// newer generation into the journal.
func (r *rotation) choose(
	ctx context.Context, std streams, record rotate.Record, secret session.Secret,
) (session.Credentials, error) {
	creds := session.Credentials{ClientID: record.ClientID, Secret: secret, Generation: record.Current.Generation + 1}
	for _, c := range record.Candidates {
		creds.Generation = max(creds.Generation, c.Generation+1)
	}
	err := session.TryCredentials(ctx, r.config(), creds)
	if _, refused := errors.AsType[*session.AuthError](err); refused {
		_, _ = fmt.Fprintf(std.err, "The exchange refuses the secret in %s; going on with the journal's.\n", r.file.path)
		return record.Credentials(), nil
	}
	return creds, err
}
