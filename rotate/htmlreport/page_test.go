package htmlreport_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
)

var update = flag.Bool("update", false, "write the golden files anew")

func write(t *testing.T, p htmlreport.Page) string {
	t.Helper()
	var b strings.Builder
	if err := htmlreport.Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGolden: what the pages of a few rotations look like, byte for byte. After a change, look at them in a browser.
func TestGolden(t *testing.T) {
	t.Parallel()
	few := sample(3)
	few.Calls = slices.DeleteFunc(few.Calls, func(c htmlreport.Call) bool { return c.Started.Sub(noon).Abs() > 60*ms })
	for name, p := range map[string]htmlreport.Page{
		"testdata/rotated.html":   few,
		"testdata/degraded.html":  degradedSample(8),
		"testdata/unchanged.html": {Reports: []rotate.Report{{Outcome: rotate.Unchanged, Trigger: rotate.TriggerRecover, KeyID: 3}}},
	} {
		got := write(t, p)
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not what is written now: look at the difference, then run with -update", name)
		}
		if again := write(t, p); again != got {
			t.Errorf("%s: written twice, it differs", name)
		}
	}
}

// TestNothingFromOutside: the page asks nobody for anything, and says so to the browser.
func TestNothingFromOutside(t *testing.T) {
	t.Parallel()
	page := write(t, degradedSample(14))
	for _, sign := range []string{"<script", "<link", "<img", "<iframe", "<object", "src=", "url(", "@import", "http:", "https:", "javascript:", "data:"} {
		if strings.Contains(page, sign) {
			t.Errorf("the page has %q", sign)
		}
	}
	if !strings.Contains(page, `content="default-src 'none'; style-src 'unsafe-inline'"`) {
		t.Error("the page has no policy against what is outside")
	}
	for _, e := range elements(t, page) {
		for _, a := range e.Attr {
			if a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#rotation-") {
				t.Errorf("a link leads out: %q", a.Value)
			}
		}
	}
}

// elements parses a page as XML, which is stricter than HTML, and returns what it consists of.
func elements(t *testing.T, page string) []xml.StartElement {
	t.Helper()
	var found []xml.StartElement
	parse(t, page, func(token xml.Token) {
		if e, ok := token.(xml.StartElement); ok {
			found = append(found, e.Copy())
		}
	})
	return found
}

func parse(t *testing.T, page string, see func(xml.Token)) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line, column := d.InputPos()
			t.Fatalf("line %d, column %d: %v", line, column, err)
		}
		see(token)
	}
}

// TestWriteErrors: a page of nothing is refused, and the writer's error comes back.
func TestWriteErrors(t *testing.T) {
	t.Parallel()
	if err := htmlreport.Write(io.Discard, htmlreport.Page{}); !errors.Is(err, htmlreport.ErrNoReport) {
		t.Errorf("without a report: %v", err)
	}
	errFull := errors.New("full")
	if err := htmlreport.Write(writer(func([]byte) (int, error) { return 0, errFull }), sample(1)); !errors.Is(err, errFull) {
		t.Errorf("to a full disk: %v", err)
	}
	wrote := 0
	if err := htmlreport.Write(writer(func(b []byte) (int, error) { wrote++; return len(b), nil }), sample(1)); err != nil || wrote != 1 {
		t.Errorf("%d writes, %v", wrote, err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// TestCallerKeepsItsSlices: a page is only read.
func TestCallerKeepsItsSlices(t *testing.T) {
	t.Parallel()
	p := degradedSample(2)
	slices.Reverse(p.Calls)
	before := slices.Clone(p.Calls)
	var first, second bytes.Buffer
	if err := errors.Join(htmlreport.Write(&first, p), htmlreport.Write(&second, p)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, p.Calls) || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("writing a page changed it")
	}
}
