// Mutants breaks package rotate and its stores on purpose, one small edit at a time, and expects the tests to notice:
//
//	go run ./rotate/mutants                  all of them
//	go run ./rotate/mutants -run 'flush|record.go'   those whose name or file matches
//	go run ./rotate/mutants -list            their names, and whether their text is still found
//
// It prints a table of the mutants, the promise that each breaks, the first test that failed and the seconds that took. It exits with
// 1 if one survives, does not compile, or is no longer found in the code. The tree itself is not touched: the go command is given
// the edited file in place of the other (-overlay). It runs in the module's root directory, and before anything else the tests
// without any mutant, which must pass.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

func main() {
	match := flag.String("run", "", "only mutants whose name or file matches this expression")
	list := flag.Bool("list", false, "print the mutants and run nothing")
	width := flag.Int("j", 2, "how many at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) //nolint:forbidigo // the root of the program
	defer stop()
	mutants, err := chosen(*match)
	switch {
	case err != nil:
	case *list:
		err = printList(os.Stdout, mutants)
	default:
		err = run(ctx, mutants, *width)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// chosen are the mutants whose name or file matches.
func chosen(match string) ([]mutant, error) {
	expression, err := regexp.Compile(match)
	if err != nil {
		return nil, fmt.Errorf("mutants: -run: %w", err)
	}
	all := slices.Concat(storeMutants, secretMutants, recordMutants, rotationMutants, coreMutants, replaceMutants)
	return slices.DeleteFunc(all, func(m mutant) bool { return !expression.MatchString(m.name) && !expression.MatchString(m.file) }), nil
}

// run prints the table. It fails if a mutant is not killed.
func run(ctx context.Context, mutants []mutant, width int) error {
	limit, err := baseline(ctx, mutants)
	if err != nil {
		return err
	}
	return printResults(os.Stdout, runAll(ctx, mutants, width, limit))
}

// printList fails if a mutant has nothing to edit.
func printList(to io.Writer, mutants []mutant) error {
	var errs []error
	for _, m := range mutants {
		_, err := m.edited()
		errs = append(errs, err)
		if _, err := fmt.Fprintf(to, "%-5s %-34s %s\n", m.breaks, m.file, m.name); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

// baseline runs the tests as they are. It returns how long they may take with a mutant before that counts as noticed.
func baseline(ctx context.Context, mutants []mutant) (limit time.Duration, err error) {
	var packages []string
	for _, m := range mutants {
		packages = append(packages, m.packages()...)
	}
	slices.Sort(packages)
	const patience, shortest, longest = 5, time.Minute, 10 * time.Minute
	began := time.Now()
	failed, err := inDirectory(func(dir string) (string, error) {
		return tests{dir: dir, limit: longest}.run(ctx, slices.Compact(packages))
	})
	if err == nil && failed != "" {
		err = fmt.Errorf("mutants: without any of them %s fails", failed)
	}
	return max(shortest, patience*time.Since(began)), err
}

// result is what became of a mutant.
type result struct {
	mutant
	killer string // the first test that failed, empty if none did
	took   time.Duration
	err    error // why it could not be tested
}

func (r result) verdict() string {
	switch {
	case r.err != nil:
		return "ERROR: " + r.err.Error()
	case r.killer == "":
		return "SURVIVED"
	}
	return r.killer
}

// runAll runs several at a time, and logs each as it ends.
func runAll(ctx context.Context, mutants []mutant, width int, limit time.Duration) []result {
	results := make([]result, len(mutants))
	slots := make(chan struct{}, max(width, 1))
	var group sync.WaitGroup
	for i, m := range mutants {
		slots <- struct{}{}
		group.Go(func() {
			began := time.Now()
			killer, err := m.test(ctx, limit)
			results[i] = result{m, killer, time.Since(began), err}
			log.Printf("%s: %s", m.name, results[i].verdict())
			<-slots
		})
	}
	group.Wait()
	return results
}

// printResults fails if a mutant has not been killed.
func printResults(to io.Writer, results []result) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	var text strings.Builder
	text.WriteString("mutant\tbreaks\tkilled by\tseconds\n")
	var left []string
	for _, r := range results {
		fmt.Fprintf(&text, "%s\t%s\t%s\t%.1f\n", r.name, r.breaks, firstLine(r.verdict()), r.took.Seconds())
		if r.err != nil || r.killer == "" {
			left = append(left, r.name)
		}
	}
	fmt.Fprintf(&text, "%d mutants, %d killed\n", len(results), len(results)-len(left))
	if _, err := io.WriteString(table, text.String()); err != nil {
		return err
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("mutants: not killed: %s", strings.Join(left, "; "))
	}
	return nil
}

func firstLine(s string) string {
	first, _, _ := strings.Cut(s, "\n")
	return first
}
