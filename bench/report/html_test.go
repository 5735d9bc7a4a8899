package report_test

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"github.com/shunt-lb/shunt/bench/report"
	"github.com/shunt-lb/shunt/bench/result"
)

func pageText(t testing.TB, run result.Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.HTML(&b, run); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// bigPage is drawn once: the plots take their time under the race detector.
var bigPage = sync.OnceValues(func() (string, error) {
	var b bytes.Buffer
	err := report.HTML(&b, big())
	return b.String(), err
})

func everything(t testing.TB) string {
	t.Helper()
	page, err := bigPage()
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// texts returns the text of all elements of that name.
func texts(t *testing.T, page, element string) []string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == element {
			all = append(all, inside(n))
		}
	}
	return all
}

func inside(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func TestHTMLShowsEverything(t *testing.T) {
	run := big()
	page := everything(t)
	all := strings.Join(texts(t, page, "body"), "")
	var want []string
	for _, m := range run.Measures {
		want = append(want, m.Subject, m.Scenario, m.Work, m.Command)
	}
	for _, f := range run.Failovers {
		want = append(want, f.Fault)
	}
	want = append(want, run.Limits...)
	want = append(want, run.Machine.Processor, run.Machine.Kernel, run.Machine.Programs["haproxy"], run.Pinning)
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("page says nothing of %q", w)
		}
	}
	// Operations, processor time and latency for each of four kinds of work,
	// memory and latency for idling; a distribution for each scheduler and the latency added; a timeline for each
	// fault; detection for two kinds of checks of two numbers of real servers.
	if got, want := len(texts(t, page, "figure")), 3*4+2+12+1+6+2*2; got != want {
		t.Errorf("%d figures, want %d", got, want)
	}
}

// Each plot is an image with a name, drawn in the colours of the style sheet,
// and well-formed.
func TestHTMLPlots(t *testing.T) {
	page := everything(t)
	plots := regexp.MustCompile(`(?s)<svg xmlns=.*?</svg>`).FindAllString(page, -1)
	if len(plots) == 0 {
		t.Fatal("no plots")
	}
	for _, p := range plots {
		if !strings.Contains(p, `role="img" aria-label="`) || !strings.Contains(p, "<title>") || !strings.Contains(p, "<desc>") {
			t.Errorf("nameless: %.200s", p)
		}
		if found := regexp.MustCompile(`#[0-9A-Fa-f]{6}|font-family`).FindString(p); found != "" {
			t.Errorf("a plot has a style of its own: %s", found)
		}
		wellFormed(t, p)
	}
	for _, v := range regexp.MustCompile(`var\((--[a-z0-9]+)\)`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, v[1]+": ") {
			t.Errorf("no value for %s", v[1])
		}
	}
}

func wellFormed(t *testing.T, s string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in %.300s", err, s)
		}
	}
}

// Nothing is fetched from elsewhere, and nothing runs.
func TestHTMLStandsAlone(t *testing.T) {
	page := everything(t)
	page = strings.ReplaceAll(page, `xmlns="http://www.w3.org/2000/svg"`, "")
	if found := regexp.MustCompile(`(?i)<script|<link|<img|<iframe|@import|url\(|https?:|\son[a-z]+=`).FindString(page); found != "" {
		t.Errorf("page holds %s", found)
	}
}

func TestHTMLEscapes(t *testing.T) {
	evil := `</svg><script>alert("1")</script>'&` + "\x00\x1b[2J"
	run := small()
	run.Pinning, run.Limits, run.Command = evil, []string{evil}, []string{evil}
	run.Machine.Programs[evil] = evil
	for i := range run.Measures {
		m := &run.Measures[i]
		m.Scenario, m.Work, m.Unit, m.Subject, m.Command, m.Note = evil, evil, evil, evil+fmt.Sprint(i), evil, evil
	}
	for i := range run.Schedulers {
		s := &run.Schedulers[i]
		s.Subject, s.Name, s.Protocol, s.Verdict = evil, evil, evil, evil
	}
	for i := range run.Failovers {
		run.Failovers[i].Subject, run.Failovers[i].Fault = evil, evil
	}
	run.Checks[0].Subject = evil
	page := pageText(t, run)
	if n := len(texts(t, page, "script")); n > 0 {
		t.Errorf("%d scripts", n)
	}
	for _, p := range regexp.MustCompile(`(?s)<svg xmlns=.*?</svg>`).FindAllString(page, -1) {
		wellFormed(t, p)
	}
	if strings.ContainsAny(page, "\x00\x1b") {
		t.Error("control characters")
	}
}

func TestHTMLEmptyRun(t *testing.T) {
	page := pageText(t, result.Run{})
	if got := texts(t, page, "p"); len(got) != 1 || got[0] != "Nothing was measured." {
		t.Errorf("paragraphs %q", got)
	}
}

// SHUNT_BENCH_PAGE=page.html leaves a page of a big run, to be looked at.
func TestHTMLToLookAt(t *testing.T) {
	path := cmp.Or(os.Getenv("SHUNT_BENCH_PAGE"), filepath.Join(t.TempDir(), "page.html"))
	if err := os.WriteFile(path, []byte(everything(t)), 0o644); err != nil {
		t.Fatal(err)
	}
}
