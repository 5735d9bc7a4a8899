// Package token tells by a token who sends a request.
package token

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/internal/files"
)

const (
	// shortest is how long a token has to be: `openssl rand -hex 16` makes 32.
	shortest = 20
	longest  = 512
	maxFile  = 64 << 10
	// lookPeriod is how often the file is looked at, at most.
	lookPeriod = time.Second
)

// Tokens are those of a file: a line for each, its name and the token, and lines that
// begin with #. A changed file counts within a second. While it is gone or has errors
// nobody has a token: a line that was taken out must not count on because of another
// one. All methods may be called from any goroutine.
type Tokens struct {
	path string
	log  func(err error) // of a changed file

	mu     sync.Mutex
	names  map[[sha256.Size]byte]string // by the digest of the token
	stamp  stamp
	looked time.Time
	told   string // the latest logged error
}

type stamp struct {
	changed time.Time
	size    int64
	mode    fs.FileMode
}

func stampOf(info fs.FileInfo) stamp { return stamp{info.ModTime(), info.Size(), info.Mode()} }

// Read reads a file of tokens. Nobody but its owner may read it. log hears of each new
// reason why a later version of the file has none.
func Read(path string, log func(error)) (*Tokens, error) {
	t := &Tokens{path: path, log: log}
	var err error
	t.names, t.stamp, err = read(path)
	t.looked = time.Now()
	return t, err
}

func read(path string) (map[[sha256.Size]byte]string, stamp, error) {
	info, err := files.Stat(path)
	if err != nil {
		return nil, stamp{}, fmt.Errorf("tokens: %w: make it with (umask 077; echo \"deploy $(openssl rand -hex 16)\" > %s)", err, path)
	}
	at := stampOf(info)
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, at, fmt.Errorf("tokens: others than its owner may read %s: type chmod 600 %[1]s", path)
	}
	if info.Size() > maxFile {
		return nil, at, fmt.Errorf("tokens: %s has more than %d bytes", path, maxFile)
	}
	text, err := files.Read(path, maxFile)
	if err != nil {
		return nil, at, fmt.Errorf("tokens: %w", err)
	}
	names, err := parse(text)
	if err != nil {
		return nil, at, fmt.Errorf("tokens: %s:%w", path, err)
	}
	return names, at, nil
}

// parse reads lines "NAME TOKEN". Its errors begin with the line and never have a token.
func parse(text []byte) (map[[sha256.Size]byte]string, error) {
	names := map[[sha256.Size]byte]string{}
	in := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; in.Scan(); n++ {
		f := strings.Fields(in.Text())
		switch {
		case len(f) == 0 || strings.HasPrefix(f[0], "#"):
			continue
		case len(f) != 2:
			return nil, fmt.Errorf("%d: want a name and a token, such as: deploy %s", n, "$(openssl rand -hex 16)")
		case len(f[1]) < shortest || len(f[1]) > longest:
			return nil, fmt.Errorf("%d: the token of %s has %d characters, want %d to %d, as `openssl rand -hex 16` makes them", n, f[0], len(f[1]), shortest, longest)
		case strings.ContainsFunc(f[0], func(r rune) bool { return r <= ' ' || r > '~' }) || len(f[0]) > 64:
			return nil, fmt.Errorf("%d: a name has up to 64 letters, digits and signs of ASCII", n)
		}
		digest := sha256.Sum256([]byte(f[1]))
		if _, twice := names[digest]; twice {
			return nil, fmt.Errorf("%d: the token of %s is there already", n, f[0])
		}
		names[digest] = f[0]
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("1: %w", err)
	}
	if len(names) == 0 {
		return nil, errors.New("1: there is no token in it")
	}
	return names, nil
}

// look reads the file again if it has changed.
func (t *Tokens) look() {
	if time.Since(t.looked) < lookPeriod {
		return
	}
	t.looked = time.Now()
	info, err := files.Stat(t.path)
	if err == nil && stampOf(info) == t.stamp {
		return
	}
	t.names, t.stamp, err = read(t.path)
	if err == nil {
		t.told = ""
		return
	}
	t.names, t.stamp = nil, stamp{} // it is read again
	if t.told != err.Error() {
		t.told = err.Error()
		t.log(err)
	}
}

// A Refusal says why a request is not carried out: an HTTP status and a line.
type Refusal struct {
	Code int
	Text string
}

// Sender returns the name of the token that a request has, or why there is none. A token
// comes in the header Authorization as RFC 6750 says, section 2.1, which no browser sends
// by itself. A request that a page of another site has a browser send is refused even so.
func (t *Tokens) Sender(r *http.Request) (string, *Refusal) {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return "", &Refusal{http.StatusForbidden, "a page of another site has sent this"}
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host {
		return "", &Refusal{http.StatusForbidden, "a page of another site has sent this"}
	}
	kind, word, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") || word == "" {
		return "", &Refusal{http.StatusUnauthorized, "this needs a token: send the header `Authorization: Bearer TOKEN`"}
	}
	digest := sha256.Sum256([]byte(strings.TrimSpace(word))) // of digests nothing can be learned by time
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look()
	if name, known := t.names[digest]; known {
		return name, nil
	}
	return "", &Refusal{http.StatusUnauthorized, "nobody has this token"}
}
