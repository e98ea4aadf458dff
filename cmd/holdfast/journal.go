package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// open opens the journal, and makes the keyring of what it holds, or of the secret file. A journal that is not there yet is made
// by the rotator.
func (r *rotation) open(ctx context.Context, std streams) (rotate.Store, *rotate.Keyring, error) {
	secret, err := readSecretFile(r.secretFile)
	if err != nil {
		return nil, nil, err
	}
	store, err := filestore.Open(r.journal)
	if err != nil {
		return nil, nil, err
	}
	record, err := store.Load(ctx)
	creds := record.Credentials()
	switch {
	case errors.Is(err, rotate.ErrNotFound):
		creds, err = session.Credentials{ClientID: r.clientID, Secret: secret, Generation: 1}, nil
	case err == nil && record.ClientID != r.clientID:
		err = fmt.Errorf("journal %s: is of client id %s: give each key a journal of its own", r.journal, record.ClientID)
	case err == nil && !holds(record, secret):
		creds, err = r.choose(ctx, std, record, secret)
	}
	if err != nil {
		return nil, nil, err
	}
	return store, rotate.NewKeyring(creds), nil
}

// holds reports whether a record knows a secret.
func holds(record rotate.Record, secret session.Secret) bool {
	return record.Current.Secret.Equal(secret) ||
		slices.ContainsFunc(record.Candidates, func(c rotate.Candidate) bool { return c.Secret.Equal(secret) })
}

// choose decides between a secret file and a journal that do not know of each other: the file wins if the exchange takes its
// secret, for then a person has put it there; else the journal is what a crash has left behind. The rotator takes a secret of
// a newer generation into the journal.
func (r *rotation) choose(
	ctx context.Context, std streams, record rotate.Record, secret session.Secret,
) (session.Credentials, error) {
	creds := session.Credentials{ClientID: r.clientID, Secret: secret, Generation: record.Current.Generation + 1}
	for _, c := range record.Candidates {
		creds.Generation = max(creds.Generation, c.Generation+1)
	}
	err := session.TryCredentials(ctx, r.config(), creds)
	if _, refused := errors.AsType[*session.AuthError](err); refused {
		_, _ = fmt.Fprintf(std.err, "The exchange refuses the secret in %s; going on with the journal's.\n", r.secretFile)
		return record.Credentials(), nil
	}
	return creds, err
}
