package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
)

// TestStrict: what ldirectord refuses is a warning, and an error under
// strict; what it accepts is a warning either way.
func TestStrict(t *testing.T) {
	const section = "virtual=192.0.2.80:80\n    real=192.0.2.1:80 gate\n"
	tests := []struct {
		name, text string
		refused    bool
	}{
		{"comment behind yes", "autoreload=yes # c\n", true},
		{"comment behind a number", "checktimeout=5 # c\n", false},
		{"comment behind a section's yes", section + "    ops=no # c\n", true},
		{"blanks behind yes", "autoreload=yes \n", true},
		{"typographic quotes", "logfile=“x”\n", true},
		{"mixed quotes", "logfile=\"x”\n", true},
		{"single quotes", "logfile='x'\n", true},
		{"no quotes", "logfile=x\n", true},
		{"three blanks", "virtual=192.0.2.80:80\n   real=192.0.2.1:80 gate\n", true},
		{"empty line", section + "\n    scheduler=rr\n", true},
		{"line of one tab", section + "\t\n    scheduler=rr\n", true},
		{"line of six blanks", section + "      \n    scheduler=rr\n", true},
		{"indented global", " checktimeout=5\n", true},
		{"hash in quotes", section + "    receive=\"a#b\"\n", true},
		{"hash in a pair", section + "    real=192.0.2.2:80 gate 1 \"a#b\",\"c\"\n", true},
		{"comma behind a blank", section + "    real=192.0.2.2:80 gate 1 \"a\" ,\"c\"\n", true},
		{"DOS line ends", "checktimeout=5\r\n", true},
		{"byte order mark", "\uFEFFchecktimeout=5\n", true},
		{"no-break space", "virtual=192.0.2.80:80\n\u00a0\u00a0\u00a0\u00a0real=192.0.2.1:80 gate\n", true},
		{"connecttimeout", "connecttimeout=5\n", true},
		{"quoted fallback", "fallback=\"127.0.0.1:80\"\n", true},
		{"strange number", "checktimeout=5s\n", false},
		{"checkcount", "checkcount=2\n", false},
		{"twice", "checktimeout=5\nchecktimeout=6\n", false},
		{"port of gate", "virtual=192.0.2.80:80\n    real=192.0.2.1:81 gate\n", false},
		{"bare supervised", "supervised\n", false},
		{"own directive", "risecount=2\nfallback=sorry\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustParse(t, tt.text)
			if len(c.Warnings) == 0 && tt.name != "own directive" {
				t.Error("no warning")
			}
			_, err := config.Parse(t.Context(), "test.cf", []byte(tt.text), config.Options{Strict: true})
			_, inFile := parse(t, tt.text+"strict=yes\n")
			if (err != nil) != tt.refused || (inFile != nil) != tt.refused {
				t.Errorf("refused is %v by option and %v by directive, want %v", err, inFile, tt.refused)
			}
		})
	}
}

// TestOneWarningEach: a liberty taken is one warning.
func TestOneWarningEach(t *testing.T) {
	for _, text := range []string{
		"logfile='x'\n", "autoreload=\"yes\"\n", "\uFEFFchecktimeout=5\n", "fallback=“127.0.0.1:80”\n",
		"virtual=192.0.2.80:80\n  real=192.0.2.1:80 gate\n  scheduler=rr\n  persistent=5\n",
		"virtual=192.0.2.80:80\n    real=192.0.2.1:80 gate 1 “a”,\"b\"\n",
		"virtual=192.0.2.80:80\n    real=192.0.2.1->192.0.2.9:8080 gate\n",
	} {
		want := 1
		if strings.Contains(text, "“127") {
			want = 2 // the quotes, and what is in them stands in quotes
		}
		if got := mustParse(t, text).Warnings; len(got) != want {
			t.Errorf("%q: %d warnings, want %d: %v", text, len(got), want, got)
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	text := "virtual=192.0.2.80:80\n    passwd=hush1\n    secret=hush2\n    login=“l”\n"
	c := mustParse(t, text)
	var b bytes.Buffer
	if err := errors.Join(config.Show(&b, c), config.Report(&b, c.Warnings), json.NewEncoder(&b).Encode(config.Explain(c))); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "hush") || !strings.Contains(b.String(), "***") {
		t.Errorf("a password is shown:\n%s", b.String())
	}
	if c.Virtuals[0].Passwd != "hush1" || c.Virtuals[0].Secret != "hush2" {
		t.Error("a password is lost")
	}
}

// A line that cannot be read may have a password all the same.
func TestPasswordsOfBrokenLines(t *testing.T) {
	for _, line := range []string{"passwd hush", "secret  hush", "check redis port=6379 passwd=hush", "check=redis port=x passwd=\"hush\"", "passwd : hush"} {
		_, err := config.Parse(t.Context(), "test.cf", []byte("virtual=192.0.2.80:80\n    real=192.0.2.1:80 masq\n    "+line+"\n"), config.Options{})
		var b bytes.Buffer
		if ps, ok := errors.AsType[config.Problems](err); !ok || config.Report(&b, ps) != nil || strings.Contains(b.String(), "hush") {
			t.Errorf("%q: %v\n%s", line, err, b.String())
		}
	}
}

func TestReport(t *testing.T) {
	ps := config.Problems{
		{Severity: config.Error, Pos: config.Pos{File: "a.cf", Line: 3, Col: 4}, Text: "no", Hint: "yes", Line: "日\t本x"},
		{Severity: config.Warning, Pos: config.Pos{File: "a.cf", Line: 4, Col: 2}, Text: "hm", Line: "\x1b[31m" + strings.Repeat("x", 300)},
		{Severity: config.Error, Pos: config.Pos{File: "a.cf"}, Text: "whole file"},
	}
	want := "a.cf:3:4: error: no\n    日\t本x\n      \t  ^\n    hint: yes\n" +
		"a.cf:4:2: warning: hm\n    \uFFFD[31m" + strings.Repeat("x", 155) + "…\n     ^\n" +
		"a.cf: error: whole file\n"
	if diff := cmp.Diff(want, report(t, ps)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestProblemJSON(t *testing.T) {
	p := config.Problem{Severity: config.Error, Pos: config.Pos{File: "a.cf", Line: 3, Col: 4}, Text: "no", Hint: "yes", Line: "x = y"}
	text, err := json.Marshal(config.Problems{p})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"severity":"error","file":"a.cf","line":3,"column":4,"text":"no","hint":"yes","source":"x = y"}]`
	if string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	var back config.Problems
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Problems{p}, back); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"severity":"fatal"}`), &p); err == nil {
		t.Error("an unknown severity is accepted")
	}
}

func TestExplainJSON(t *testing.T) {
	c := mustParse(t, "virtual=192.0.2.80:80\n    real=192.0.2.1:80 gate 2\n")
	text, err := json.Marshal(config.Explain(c)[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"name":"virtual=192.0.2.80:80","service":"tcp 192.0.2.80:80","line":1`,
		`{"directive":"service","value":"http","origin":"from port 80"}`,
		`"reals":[{"directive":"real","addr":"192.0.2.1:80","forward":"gate","weight":2,"check":"http http://192.0.2.1:80/","line":2}]`,
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s lacks %s", text, part)
		}
	}
}

// TestManyRealServers: ranges must not fill the memory.
func TestManyRealServers(t *testing.T) {
	var b strings.Builder
	for i := range 6 {
		b.WriteString("virtual=" + string(rune('1'+i)) + "\n    real=10.0.0.0->10.0.255.255 gate\n")
	}
	var errs []string
	for _, p := range wrong(t, b.String(), config.Options{}) {
		if p.Severity == config.Error {
			errs = append(errs, p.Text)
		}
	}
	if diff := cmp.Diff([]string{"more than 65536 real servers in one file"}, errs); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestRangeOverDigits: ldirectord compares the ends of a range as text and
// finds nothing in this one.
func TestRangeOverDigits(t *testing.T) {
	c := mustParse(t, "virtual=192.0.2.80:80\n    real=59.154.201.254->59.154.202.1:80 masq\n")
	if n := len(c.Virtuals[0].Reals); n != 4 {
		t.Errorf("%d real servers, want 4", n)
	}
}

func TestSorryPageOfAFolderWithoutIndex(t *testing.T) {
	dir := t.TempDir()
	if ps := mustParse(t, "sorrypage="+dir+"\n").Waiting; len(ps) != 1 || !strings.Contains(ps[0].Text, "index.html: no such file") {
		t.Errorf("waiting for %v", ps)
	}
	if err := os.WriteFile(dir+"/index.html", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ps := mustParse(t, "sorrypage="+dir+"\n").Waiting; len(ps) > 0 {
		t.Errorf("waiting for %v", ps)
	}
}

// TestLongLines reads lines that took minutes while their length counted
// squared.
func TestLongLines(t *testing.T) {
	const n = 1 << 18
	for _, text := range []string{
		"virtual=1\n    receive=\"" + strings.Repeat("#", n) + "\n",
		"virtual=1\n    real=192.0.2.1 gate \"" + strings.Repeat("#", n) + "\n",
		"virtual=1\n    real=192.0.2.1 gate 1 " + strings.Repeat("l:0 ", n) + "\n",
		"virtual=1\n    real=192.0.2.1 gate " + strings.Repeat("x ", n) + "\n",
		"emailalert=" + strings.Repeat("a,", n) + "\n",
	} {
		if _, err := parse(t, text); err != nil && !strings.Contains(err.Error(), "error: ") {
			t.Errorf("%.40s...: %v", text, err)
		}
	}
}
