package config_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
)

// TestGolden compares what becomes of whole files with the file beside each:
// what there is to say about it, its canonical form, and what is in force and
// differs from the defaults. The golden of the empty file has the defaults.
func TestGolden(t *testing.T) {
	for _, pattern := range []string{"testdata/golden/*.cf", "testdata/tutorial/*.cf"} {
		for _, file := range files(t, pattern) {
			t.Run(filepath.Base(file), func(t *testing.T) {
				want(t, strings.TrimSuffix(file, ".cf")+".want", resolved(t, file))
			})
		}
	}
}

func resolved(t *testing.T, file string) string {
	t.Helper()
	var b bytes.Buffer
	c, err := config.Load(t.Context(), file, config.Options{Resolver: testHosts})
	if ps, bad := errors.AsType[config.Problems](err); bad {
		return report(t, ps)
	} else if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, c)
	b.WriteString(report(t, c.Warnings))
	b.WriteString("---- canonical\n")
	b.Write(config.Print(c))
	b.WriteString("---- in force\n")
	var shown bytes.Buffer
	if err := config.Show(&shown, c); err != nil {
		t.Fatal(err)
	}
	if filepath.Base(file) == "empty.cf" {
		return b.String() + shown.String()
	}
	return b.String() + withoutDefaults(shown.String())
}

// columns are the blanks between the columns of a table, which are as wide as
// lines that are left out have it.
var columns = regexp.MustCompile(`(\S) {2,}`)

// withoutDefaults leaves out the lines whose values are defaults.
func withoutDefaults(shown string) string {
	var b strings.Builder
	for line := range strings.Lines(shown) {
		if !strings.HasSuffix(line, "# default\n") {
			b.WriteString(columns.ReplaceAllString(line, "$1  "))
		}
	}
	return b.String()
}

// TestTutorialWalkthrough holds the promise about the file as people paste it:
// it means what its author meant, with one warning for each liberty.
func TestTutorialWalkthrough(t *testing.T) {
	c, err := config.Load(t.Context(), "testdata/tutorial/walkthrough.cf", config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	meant := mustParse(t, `checktimeout=3
checkinterval=1
autoreload=yes
logfile="/var/log/ldirectord.log"
quiescent=no
virtual=10.0.0.100:80
    real=192.168.80.110:80 gate 2
    real=192.168.80.120:80 gate 1
    fallback=127.0.0.1:80 gate
    service=http
    scheduler=wrr
    protocol=tcp
    checktype=negotiate
    checkport=80
    request="index.html"
`)
	if diff := cmp.Diff(meant, c, sameMeaning); diff != "" {
		t.Errorf("not what was meant (-meant +read):\n%s", diff)
	}
	got := texts(c.Warnings)
	wanted := []string{
		"1: a global directive is indented (here and on 4 lines below)",
		"1: a comment behind the value of a global directive",
		"4: typographic quotes",
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// TestTutorialOptions: each line of prose and the misspelled directive are
// one error, everything else is accepted.
func TestTutorialOptions(t *testing.T) {
	text, err := os.ReadFile("testdata/tutorial/options.cf")
	if err != nil {
		t.Fatal(err)
	}
	var errs config.Problems
	for _, p := range wrong(t, string(text), config.Options{}) {
		if p.Severity == config.Error {
			errs = append(errs, p)
		}
	}
	wanted := []string{"9: this line is no directive", "23: unknown directive `persistence`"}
	if diff := cmp.Diff(wanted, texts(errs)); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	lines := strings.SplitAfter(string(text), "\n")
	lines[8], lines[9], lines[22] = "#\n", "#\n", "#\n"
	c := mustParse(t, strings.Join(lines, ""))
	if len(c.Virtuals) != 2 || c.Virtuals[0].ID.Mark != 5 || len(c.Virtuals[1].Reals) != 2 || c.Global.LogFile != "local0" {
		t.Errorf("without the three lines it means %s", config.Print(c))
	}
}

func texts(ps config.Problems) []string {
	var all []string
	for _, p := range ps {
		all = append(all, strings.TrimPrefix(p.Pos.String(), p.Pos.File+":")+" "+p.Text)
	}
	for i, s := range all {
		line, rest, _ := strings.Cut(s, ":")
		_, text, _ := strings.Cut(rest, " ")
		all[i] = line + ": " + text
	}
	return all
}

func TestLoadMissing(t *testing.T) {
	_, err := config.Load(t.Context(), "testdata/nothing.cf", config.Options{})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v, want that there is no such file", err)
	}
}

func TestLoadTooLarge(t *testing.T) {
	_, err := config.Parse(context.Background(), "big.cf", make([]byte, 16<<20+1), config.Options{})
	if err == nil || !strings.Contains(err.Error(), "big.cf: error: the file is larger than 16 MiB") {
		t.Errorf("error is %v", err)
	}
}
