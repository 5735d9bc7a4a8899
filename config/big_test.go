//go:build !race

package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

// full is as large as files may be; big is a size at which nothing else counts
// but where there are bounds.
const (
	full = 16 << 20
	big  = 4 << 20
)

// repeated is one piece over and over, up to a size.
func repeated(piece string, size int) []byte {
	return bytes.Repeat([]byte(piece), size/len(piece))
}

// numbered is a format over and over, each time with the next number.
func numbered(head, format string, size int) []byte {
	b := bytes.NewBufferString(head)
	for i := 0; ; i++ {
		piece := fmt.Sprintf(format, i)
		if b.Len()+len(piece) > size {
			return b.Bytes()
		}
		b.WriteString(piece)
	}
}

// bigFiles are what may be saved over a configuration by mistake, or to do
// harm.
var bigFiles = map[string]func() []byte{
	"lines that are none":       func() []byte { return repeated("bogus line here\n", big) },
	"different lines":           func() []byte { return numbered("", "line %d is bogus\n", big) },
	"unknown directives":        func() []byte { return numbered("", "a%d=1\n", big) },
	"unknown words in sections": func() []byte { return numbered("virtual=1\n", "\ta%d=1\n", big) },
	"one line":                  func() []byte { return repeated("x", big) },
	"one value":                 func() []byte { return append([]byte("virtual=1\n\trequest=\""), repeated("x", big-64)...) },
	"one list":                  func() []byte { return append([]byte("allow="), repeated("1.1.1.1,", big-64)...) },
	"empty lines":               func() []byte { return repeated("\n", big) },
	"lines of blanks":           func() []byte { return repeated("      \n", big) },
	"comments":                  func() []byte { return repeated("#\n", big) },
	"one comment":               func() []byte { return append([]byte("#"), repeated("x", big-1)...) },
	"zeroes":                    func() []byte { return make([]byte, big) },
	"zeroes behind a file":      func() []byte { return append([]byte("virtual=1\n"), make([]byte, big-64)...) },
	"random bytes":              randomBytes,
	"random letters":            randomLetters,
	"DOS lines":                 func() []byte { return repeated("a=1\r\n", big) },
	"quotes":                    func() []byte { return repeated("\"'\"'“”‘’", big) },
	"quoted values":             func() []byte { return repeated("\treceive=\"\\\"\\\"\"\"\n", big) },
	"one directive":             func() []byte { return repeated("fork=no\n", big) },
	"one warning":               func() []byte { return repeated("fork=yes\n", big) },
	"different warnings":        func() []byte { return numbered("virtual=1\n", "\tpersistent=1s%d\n", big) },
	"execute":                   func() []byte { return repeated("execute=a\n", big) },
	"addresses":                 func() []byte { return repeated("emailalert="+strings.Repeat("a,", 30000)+"\n", big) },
	"flags": func() []byte {
		return repeated("virtual=1\n\tschedflags="+strings.Repeat("sh-port,", 8000)+"sh-port\n", big)
	},
	"clients": func() []byte { return repeated("deny=1.1.1.1\n", big) },
	"clients of sections": func() []byte {
		return numbered("", "virtual=%d\n\tdeny="+strings.Repeat("1.1.1.1,", 400)+"1.1.1.1\n", big)
	},
	"services":            func() []byte { return numbered("", "virtual=1%d\n", big) },
	"services in a state": func() []byte { return numbered(strings.Repeat("fork=no\n", 9), "virtual=1%d\n\tops=no\n", big) },
	"one service":         func() []byte { return repeated("virtual=1\n", big) },
	"servers":             func() []byte { return numbered("virtual=1\n", "\treal=10.0.%d.1:80 gate\n", full) },
	"servers, good":       goodServers,
	"servers too many": func() []byte {
		return numbered("virtual=1\n\tchecktype=on\n", "\treal=%d masq # 192.0.2.1 or so\n", full)
	},
	"ranges":               func() []byte { return numbered("virtual=1\n", "\treal=10.0.0.0->10.0.255.255 gate %d\n", full) },
	"one server":           func() []byte { return repeated("virtual=1\n\treal=10.0.0.1:80 gate\n", big) },
	"services and servers": func() []byte { return numbered("", "virtual=%[1]d\n\treal=10.0.0.1 gate %[1]d\n", big) },
	"wrong indentation":    func() []byte { return numbered("", "  virtual=%d\n ops=no\n", big) },
	"patterns": func() []byte {
		return numbered("virtual=1\n\tchecktype=on\n", "\treal=%[1]d masq \"a\",\"x{99}(a|b)%[1]d\"\n", full)
	},
	"a log":                   func() []byte { return numbered("", "Nov 29 22:10:11 lb1 kernel: IPVS: packet %d\n", big) },
	"directives of a section": func() []byte { return repeated("\tops=no\n", big) },
	"in a section":            func() []byte { return append([]byte("virtual=1\n"), repeated("\tops=no\n", big-64)...) },
	"odd blanks":              func() []byte { return repeated("\u3000\u00a0a=1\n", big) },
}

func randomBytes() []byte {
	b := make([]byte, big)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // it has no end
	return b
}

func randomLetters() []byte {
	b := randomBytes()
	for i := range b {
		b[i] = " \tabcdefghijklmnopqrstuvwxyz0123456789=\"'#:.->/\n\n"[int(b[i])%49]
	}
	return b
}

// goodServers is a file without a mistake that has all there is room for.
func goodServers() []byte {
	b := numbered("virtual=1\n\tchecktype=on\n", "\treal=%d masq\n", 64<<10)
	return append(b, repeated("# room for more\n", full-len(b))...)
}

// TestBigFiles: whatever file is read, the memory for it is less than ten
// times the file, and what is told about it has its bounds.
func TestBigFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a lot")
	}
	for name, text := range bigFiles {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "big.cf")
			file := text()
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReadBigFile$")
			cmd.Env = append(os.Environ(), "BIG_FILE="+path)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			first, _, _ := strings.Cut(string(out), "\n")
			grown, err := strconv.Atoi(first)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if most := 10 * len(file); grown > most {
				t.Errorf("%d MiB for a file of %d MiB", grown>>20, len(file)>>20)
			}
		})
	}
}

// TestReadBigFile is what TestBigFiles runs in a process of its own: it prints
// by how much the heap has grown at the most.
func TestReadBigFile(t *testing.T) {
	path := os.Getenv("BIG_FILE")
	if path == "" {
		return // it is no test by itself
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	conf, err := config.Load(t.Context(), path, config.Options{Resolver: hosts{}})
	runtime.ReadMemStats(&after) // the heap's address space is never given back
	fmt.Println(after.HeapSys - before.HeapSys)
	told, ok := errors.AsType[config.Problems](err)
	switch {
	case err == nil:
		told = conf.Warnings
	case !ok:
		t.Fatal(err)
	}
	boundedReports(t, told)
}

func boundedReports(t *testing.T, told config.Problems) {
	t.Helper()
	var report, record bytes.Buffer
	if err := config.Report(&report, told); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(map[string]any{"problems": told}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(io.MultiWriter(&record), nil)).Error("refused", "err", told)
	for what, size := range map[string][2]int{
		"report": {report.Len(), 64 << 10}, "JSON": {len(text), 64 << 10}, "error": {len(told.Error()), 64 << 10}, "record": {record.Len(), 4 << 10},
	} {
		if size[0] > size[1] {
			t.Errorf("%s has %d bytes, want %d at the most", what, size[0], size[1])
		}
	}
	if len(told) > 102 {
		t.Errorf("%d problems are told", len(told))
	}
}
