package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/schematest"
)

// A judge holds every frame that the exchange sends against the published schemas.
type judge struct {
	validator *schematest.Validator
	found     *findings
}

// findings takes the place of a test: it keeps what a Validator reports.
type findings struct {
	testing.TB

	mu   sync.Mutex // protects list
	list []string
}

func (f *findings) Helper() {}

func (f *findings) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

func (f *findings) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func newJudge() *judge {
	f := &findings{}
	return &judge{schematest.Load(f), f}
}

func (j *judge) frame(f deribittest.Frame) {
	if !f.Incoming {
		j.validator.Sent(f.Conn, f.Method, f.Data)
	}
}

// report prints what was judged. The exchange is closed, so nothing more comes.
func (j *judge) report(client string) error {
	j.found.mu.Lock()
	defer j.found.mu.Unlock()
	for _, violation := range j.found.list {
		fmt.Fprintf(os.Stdout, "FAIL  %s: schema: %s\n", client, violation)
	}
	if len(j.found.list) > 0 {
		return fmt.Errorf("%d frames broke a schema", len(j.found.list))
	}
	seen := slices.Sorted(maps.Keys(j.validator.Seen()))
	fmt.Fprintf(os.Stdout, "ok    %s: schemas of %d methods and channels: %s\n", client, len(seen), strings.Join(seen, " "))
	return nil
}
