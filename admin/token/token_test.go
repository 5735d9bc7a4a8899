package token

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

const (
	first  = "0123456789abcdef0123456789abcdef"
	second = "fedcba9876543210fedcba9876543210"
)

func fileOf(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"one":          {"deploy " + first + "\n", 0o600, ""},
		"comments":     {"# who deploys\n\n  deploy\t" + first, 0o400, ""},
		"none":         {"# nobody\n", 0o600, ":1: there is no token in it"},
		"for everyone": {"deploy " + first + "\n", 0o644, "type chmod 600 "},
		"for a group":  {"deploy " + first + "\n", 0o640, "type chmod 600 "},
		"no name":      {"\n" + first + "\n", 0o600, ":2: want a name and a token"},
		"short":        {"deploy secret\n", 0o600, ":1: the token of deploy has 6 characters, want 20 to 512"},
		"twice":        {"a " + first + "\nb " + first + "\n", 0o600, ":2: the token of b is there already"},
		"three words":  {"a b " + first + "\n", 0o600, ":1: want a name and a token"},
		"control":      {"a\x1b[2J " + first + "\n", 0o600, ":1: a name has up to 64"},
		"large":        {"a " + first + strings.Repeat("\n", 1<<17), 0o600, "tokens: "},
	} {
		path := fileOf(t, c.text, c.mode)
		_, err := Read(path, nil)
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case err != nil && (strings.Contains(err.Error(), first) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: %q has a token, or more than a line", name, err)
		}
	}
	if _, err := Read("/nowhere/tokens", nil); err == nil {
		t.Error("a file that is not there is read")
	}
}

func TestSender(t *testing.T) {
	tokens, err := Read(fileOf(t, "deploy "+first+"\nnight "+second+"\n", 0o600), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		authorization, site, name string
		code                      int
		origin                    string
	}{
		{"Bearer " + first, "", "deploy", 0, ""},
		{"bearer " + second, "", "night", 0, ""},
		{"Bearer  " + first, "none", "deploy", 0, ""},
		{"Bearer " + first, "same-origin", "deploy", 0, ""},
		{"", "", "", 401, ""},
		{"Bearer", "", "", 401, ""},
		{"Bearer ", "", "", 401, ""},
		{"Basic " + first, "", "", 401, ""},
		{"Bearer " + first[1:], "", "", 401, ""},
		{"Bearer " + first + second, "", "", 401, ""},
		{first, "", "", 401, ""},
		{"Bearer " + first, "cross-site", "", 403, ""},
		{"Bearer " + first, "same-site", "", 403, ""},
		{"Bearer " + first, "", "deploy", 0, "http://example.com"},
		{"Bearer " + first, "", "", 403, "http://evil.example"},
		{"Bearer " + first, "", "", 403, "null"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Authorization", c.authorization)
		r.Header.Set("Sec-Fetch-Site", c.site)
		r.Header.Set("Origin", c.origin)
		name, refused := tokens.Sender(r)
		code := 0
		if refused != nil {
			code = refused.Code
		}
		if name != c.name || code != c.code {
			t.Errorf("%q from %q: %q, %+v, want %q, %d", c.authorization, c.site, name, refused, c.name, c.code)
		}
	}
}

// TestChangedFile: a changed file counts. While it has errors, may be read by others or is
// gone nobody gets in, and that is told once.
func TestChangedFile(t *testing.T) {
	path := fileOf(t, "deploy "+first+"\n", 0o600)
	var told []string
	tokens, err := Read(path, func(err error) { told = append(told, err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	is := func(step, token, want string) {
		t.Helper()
		tokens.looked = time.Time{} // as if a second had gone
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if name, _ := tokens.Sender(r); name != want {
			t.Errorf("%s: the sender is %q, want %q", step, name, want)
		}
	}
	is("at first", first, "deploy")
	for i, step := range []struct{ text, first, second string }{
		{"deploy " + second + "\n", "", "deploy"},
		{"deploy " + second + "\nnight short\n", "", ""},
		{"deploy " + second + "\nnight short\n\n", "", ""},
		{"# nobody any more\n", "", ""},
		{"a " + first + "\nb " + second + "\n", "a", "b"},
	} {
		if err := os.WriteFile(path, []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(i), 0) // whatever the clock's grain
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		is(step.text, first, step.first)
		is(step.text, second, step.second)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	is("for everybody to read", first, "")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	is("for its owner again", first, "a")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	is("without the file", first, "")
	is("still without it", first, "")
	if len(told) != 4 {
		t.Errorf("what is told is %q", told)
	}
}
