package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// turn finishes what a crash has left, then opens the sessions, and rotates. A replacement that is finished is what was asked for: the
// key is not replaced once more. An interrupt does not leave a rotation alone: it closes the rotator, which is waited for.
func (r *rotation) turn(
	ctx context.Context, told io.Writer, store rotate.Store, rotator *rotate.Rotator, f *fleet,
) (report rotate.Report, err error) {
	waiting := context.WithoutCancel(ctx)
	record, err := load(ctx, store)
	if err != nil {
		return report, err
	}
	if r.dryRun {
		return r.preview(ctx, told, record, rotator, f)
	}
	if record.Replacement != nil { // the current secret works as long as it stands, and a session removes the key that is left
		_, _ = fmt.Fprintf(told, "Going on with the replacement that began at %s. It may wait some minutes for what can still happen to that one.\n",
			record.Replacement.Sent.UTC().Format("2006-01-02 15:04:05 UTC"))
		err := f.dialOwn(ctx)
		if _, refused := errors.AsType[*session.AuthError](err); err != nil && !refused { // somebody has disabled or removed it
			return report, err
		}
	}
	if report, err = rotator.Recover(waiting); err != nil {
		return report, err
	}
	if report.Outcome == rotate.Unfinished { // the old key was refused: it is removed by a session of the new one
		if err = f.dialOwn(ctx); err != nil {
			return report, err
		}
		if report, err = rotator.Recover(waiting); err != nil {
			return report, err
		}
	}
	if report.NewClientID != "" {
		_, _ = fmt.Fprintln(told, "That one is finished. To replace the new key too, run the command again.")
		return report, nil
	}
	if err := f.dialOwn(ctx); err != nil {
		return report, err
	}
	return rotator.Rotate(waiting)
}

// load is what a journal says, which may not be there yet.
func load(ctx context.Context, store rotate.Store) (rotate.Record, error) {
	record, err := store.Load(ctx)
	if errors.Is(err, rotate.ErrNotFound) {
		return rotate.Record{}, nil
	}
	return record, err
}

// preview checks what can be checked. What a crash has left is not finished by it.
func (r *rotation) preview(
	ctx context.Context, told io.Writer, record rotate.Record, rotator *rotate.Rotator, f *fleet,
) (report rotate.Report, err error) {
	if record.Intent != nil || record.Replacement != nil {
		return report, r.unfinished()
	}
	if err := f.dialOwn(ctx); err != nil {
		return report, err
	}
	report, err = rotator.Check(context.WithoutCancel(ctx))
	if errors.Is(err, rotate.ErrUnfinished) { // which the report says in terms of the library
		return rotate.Report{}, r.unfinished()
	}
	if err == nil && r.strategy == rotate.Replace {
		_, _ = fmt.Fprintln(told, "Nothing is in the way of a replacement. The exchange will ask for a second factor.")
	}
	return report, err
}

// unfinished is [rotate.ErrUnfinished] in terms of the command.
func (r *rotation) unfinished() error {
	return fmt.Errorf("journal %s: a rotation is unfinished, or the secret in %s is new to it: run the command without -dry-run, which goes on with it",
		r.journal, r.file.path)
}

// howToReplace is what to type.
func (r *rotation) howToReplace() string {
	if r.file.hasClientID() {
		return "add -strategy replace"
	}
	file := r.secretFile + ".credentials"
	return fmt.Sprintf("-strategy replace changes the client id too, so that it has to be in one file with the secret. Type\n"+
		"  (umask 077; { echo %s; cat %s; } >%s)\n"+
		"  holdfast rotate -strategy replace -credentials-file %s -journal %s\n"+
		"with the other flags as before, and have programs read both from that file.", r.clientID, r.secretFile, file, file, r.journal)
}

// advise says in terms of the command what to do about an error of the library.
func (r *rotation) advise(w io.Writer, report rotate.Report, err error) {
	if err == nil {
		return
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	if errors.Is(err, rotate.ErrNoRecoveryAuthority) {
		say("The flags for these are -admin-client-id with -admin-secret-file, -tokens-survive, and -accept-lockout.")
	}
	if _, locked := errors.AsType[*rotate.LockedOutError](err); locked {
		if r.file.hasClientID() {
			say("When the key works again, see that %s has its client id and its secret, and run this command again. "+
				"If another key takes its place, put that one's there, and move %s away.", r.file.path, r.journal)
		} else {
			say("When the key is reset, put its new secret into %s, and run this command again.", r.file.path)
		}
	}
	if unsaved, ok := errors.AsType[*rotate.UnsavedError](err); ok {
		r.lifeboat.take(context.Background(), unsaved.Key, unsaved.Err) // there may be room by now
		say("%s", r.lifeboat.advice(unsaved.Key))
	}
	if report.Outcome == rotate.Unfinished || report.Outcome == rotate.Degraded {
		say("What is left to do is in %s: run the same command again, which goes on with it.", r.journal)
	}
	if failed, ok := errors.AsType[*rotate.PreflightError](err); ok && failed.Check == "key" && r.strategy == rotate.Replace {
		say("A replacement needs account:read_write, of this key or of a second one (-admin-client-id with -admin-secret-file), " +
			"a free place among the account's eight keys, and a key without IP whitelist. Nothing was changed.")
	}
}
