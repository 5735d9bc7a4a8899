package config_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/shunt-lb/shunt/config"
)

// Long texts are matched in another way than short ones, to the same result.
func TestPatternMatchLong(t *testing.T) {
	for _, size := range []int{0, 1, 1000, 64<<10 - 3, 64 << 10, 64<<10 + 1, 150_000} {
		for _, fill := range []string{"a\n", "\xe9"} {
			padding := strings.Repeat(fill, size/len(fill))
			for _, tt := range []struct{ pattern, text string }{
				{"END", padding + "END"},
				{"END", padding + "EN"},
				{"END", "END" + padding},
				{"E.D", padding + "END" + padding},
				{"[E]ND$", padding + "END\n"},
				{"END$", padding + "END\nx"},
				{"^END", padding + "END"},
				{"(?m)^END$", padding + "\nEND\n" + padding},
				{`\bEND`, padding + "END"},
				{`\bEND`, padding + "-END"},
				{"(?i)end", padding + "END"},
				{"(?s)^.*END", padding + "END"},
				{"(?s).{1,9}END", padding + "END"},
				{`\xffEND`, padding + "\xffEND"},
				{`\x{263a}`, padding + "☺"},
				{"", padding},
			} {
				p := compile(t, tt.pattern)
				whole := regexp.MustCompile(strings.ReplaceAll(tt.pattern, "$", `\n?$`))
				if strings.HasPrefix(tt.pattern, "(?m)") {
					whole = regexp.MustCompile(tt.pattern)
				}
				want := whole.Match(wide(tt.text))
				for name, text := range map[string]io.Reader{"at once": strings.NewReader(tt.text), "in pieces": iotest.HalfReader(strings.NewReader(tt.text))} {
					if got, err := p.Match(t.Context(), text); got != want || err != nil {
						t.Errorf("%q behind %d times %q, %s: %v, %v, want %v", tt.pattern, size, fill, name, got, err, want)
					}
				}
			}
		}
	}
}

// wide returns a text with each of its bytes as a character.
func wide(text string) []byte {
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return []byte(string(runes))
}

// TestPatternEnds: whatever pattern is accepted and whatever is sent, a match
// ends with its context.
func TestPatternEnds(t *testing.T) {
	for _, pattern := range []string{
		"(?s).{1,1000}END", "(?s).{1,1000}.{1,1000}END", "((a*)*)*END", "(x+x+)+END", "(?i)(a|b|ab)*end",
		"(?s)" + strings.Repeat(".{0,900}", 10) + "END", "(?:a?){1000}a{1000}END", "(a{1,30}){1,30}END",
		"(?s).{1,50}(" + words(1000) + ")END", `(?:\pL{1,50}\W){1,15}END`,
	} {
		p, err := config.CompilePattern(pattern)
		if err != nil {
			t.Logf("%.40q is refused: %v", pattern, err)
			continue
		}
		for _, fill := range []string{"a", "x", "ab", "a ", "\xe9"} {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			began := time.Now()
			found, err := p.Match(ctx, &endless{fill: fill})
			took := time.Since(began)
			cancel()
			if found || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%.40q in endless %q: %v, %v", pattern, fill, found, err)
			}
			if limit := generous(120 * time.Millisecond); took > limit {
				t.Errorf("%.40q in endless %q took %v, want less than %v", pattern, fill, took, limit)
			}
		}
	}
}

// generous allows for a machine that has other work too.
func generous(d time.Duration) time.Duration { return 20 * d }

type endless struct {
	fill string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.fill[(e.at+i)%len(e.fill)]
	}
	e.at += len(p)
	return len(p), nil
}

// words is a pattern of n words.
func words(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%04d", i)
	}
	return strings.Join(all, "|")
}

// An end by the context is no end of the text.
func TestPatternEndsWithoutVerdict(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, pattern := range []string{"[a]$", "(?s)^.*$", "literal"} {
		found, err := compile(t, pattern).Match(ctx, io.LimitReader(&endless{fill: "a"}, 1<<20))
		if found || !errors.Is(err, context.Canceled) {
			t.Errorf("%q: %v, %v", pattern, found, err)
		}
	}
}

// TestPatternMemory: what is matched is not held.
func TestPatternMemory(t *testing.T) {
	for _, pattern := range []string{"literal", "lit[e]ral", "[x]y"} {
		p := compile(t, pattern)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if found, err := p.Match(t.Context(), io.LimitReader(&endless{fill: "a"}, 4<<20)); found || err != nil {
			t.Errorf("%q: %v, %v", pattern, found, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%q: %d bytes for a text of 4 MiB", pattern, n)
		}
	}
}

// TestPatternTooLarge: what would take too long for each byte is refused when
// it is read, with a way out, and before memory is spent on it.
func TestPatternTooLarge(t *testing.T) {
	for _, pattern := range []string{
		"(a{1,100}){1,101}", strings.Repeat(".{1000}", 11), strings.Repeat("abcdefghij", 1001), strings.Repeat("a", 64<<10+1),
		strings.Repeat("((a{10}){10}){9}", 300), strings.Repeat("(", 5000) + strings.Repeat(")", 5000),
		strings.Repeat("x*", 8000),
	} {
		_, err := config.CompilePattern(pattern)
		if err == nil {
			t.Errorf("%.40q of %d bytes is accepted", pattern, len(pattern))
		}
	}
	for _, pattern := range []string{"(?s).{1,1000}END", "(a{1,30}){1,30}", words(1500), strings.Repeat("x", 9000)} {
		if _, err := config.CompilePattern(pattern); err != nil {
			t.Errorf("%.40q of %d bytes: %v", pattern, len(pattern), err)
		}
	}
	file := "virtual = 10.0.0.1:80\n\treal = 10.0.0.2:80 masq\n\tservice = http\n\treceive = \"" + strings.Repeat(".{1,1000}", 20) + "END\"\n"
	_, err := config.Parse(t.Context(), "a.cf", []byte(file), config.Options{})
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(problems[0].Hint, "smaller repeat counts") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkPattern(b *testing.B) {
	for _, pattern := range []string{"Test Page", "Test.*Page", "(?i)test page", "[0-9]+ ok"} {
		for _, size := range []int{100, 30_000, 1 << 20} {
			body := bytes.Repeat([]byte("<p>hello</p>\n"), size/13)
			p, err := config.CompilePattern(pattern)
			if err != nil {
				b.Fatal(err)
			}
			re := regexp.MustCompile(pattern)
			b.Run(fmt.Sprintf("%s/%d/pattern", pattern, size), func(b *testing.B) {
				for b.Loop() {
					_, _ = p.Match(b.Context(), bytes.NewReader(body))
				}
			})
			b.Run(fmt.Sprintf("%s/%d/regexp", pattern, size), func(b *testing.B) {
				for b.Loop() {
					text, _ := io.ReadAll(bytes.NewReader(body))
					re.Match(text)
				}
			})
		}
	}
}
