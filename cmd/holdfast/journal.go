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

// open opens the journal, making it of the secret file if there is none, and the keyring of what it holds.
func (r *rotation) open(ctx context.Context, io streams) (rotate.Store, *rotate.Keyring, error) {
	secret, err := readSecretFile(r.secretFile)
	if err != nil {
		return nil, nil, err
	}
	store, err := filestore.Open(r.journal)
	if err != nil {
		return nil, nil, err
	}
	record, err := store.Load(ctx)
	switch {
	case errors.Is(err, rotate.ErrNotFound):
		record = rotate.Record{ClientID: r.clientID, KeyID: r.keyID, Current: rotate.Candidate{Secret: secret, Generation: 1}}
		record.Version, err = store.Save(ctx, record, 0)
	case err == nil && record.ClientID != r.clientID:
		err = fmt.Errorf("journal %s: is of client id %s: give each key a journal of its own", r.journal, record.ClientID)
	case err == nil && !holds(record, secret):
		record, err = r.adopt(ctx, io, store, record, secret)
	}
	if err != nil {
		return nil, nil, err
	}
	return store, rotate.NewKeyring(record.Credentials()), nil
}

// holds reports whether a record knows a secret.
func holds(record rotate.Record, secret session.Secret) bool {
	return record.Current.Secret.Equal(secret) ||
		slices.ContainsFunc(record.Candidates, func(c rotate.Candidate) bool { return c.Secret.Equal(secret) })
}

// adopt decides between a secret file and a journal that do not know of each other: the file wins if the exchange takes its
// secret, for then a person has put it there; else the journal is what a crash has left behind.
func (r *rotation) adopt(
	ctx context.Context, io streams, store rotate.Store, record rotate.Record, secret session.Secret,
) (rotate.Record, error) {
	creds := session.Credentials{ClientID: r.clientID, Secret: secret}
	err := session.TryCredentials(ctx, r.config(), creds)
	if _, refused := errors.AsType[*session.AuthError](err); refused {
		_, _ = fmt.Fprintf(io.err, "The exchange refuses the secret in %s; going on with the journal's.\n", r.secretFile)
		return record, nil
	}
	if err != nil {
		return record, err
	}
	newest := record.Current.Generation
	for _, c := range record.Candidates {
		newest = max(newest, c.Generation)
	}
	record.Current = rotate.Candidate{Secret: secret, Generation: newest + 1}
	record.Version, err = store.Save(ctx, record, record.Version)
	return record, err
}
