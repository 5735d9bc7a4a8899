package newc_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/internal/test/kernelvm/internal/newc"
	"github.com/shunt-lb/shunt/internal/test/need"
)

// An item is an entry with its body.
type item struct {
	newc.Header
	Body string
}

var items = []item{
	{newc.Header{Name: "dir", Mode: 0o040755}, ""},
	{newc.Header{Name: "dir/empty", Mode: 0o100644}, ""},
	{newc.Header{Name: "dir/1", Mode: 0o100600, Size: 1}, "x"},
	{newc.Header{Name: "dir/12", Mode: 0o100755, Size: 4}, "four"},
	{newc.Header{Name: "dir/123", Mode: 0o100755, Size: 5}, "five\n"},
	{newc.Header{Name: "link", Mode: 0o120777, Size: 7}, "dir/123"},
	{newc.Header{Name: "console", Mode: 0o020600, Major: 5, Minor: 1}, ""},
}

func archive(t *testing.T, items []item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := newc.NewWriter(&b)
	for _, i := range items {
		if err := w.Write(i.Header, strings.NewReader(i.Body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWriter(t *testing.T) {
	got, err := read(archive(t, items))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(items, got); diff != "" {
		t.Error(diff)
	}
}

// TestWriterBesideCpio asks a program that others wrote.
func TestWriterBesideCpio(t *testing.T) {
	cmd := exec.Command(need.Program(t, "cpio"), "-t", "--quiet")
	cmd.Stdin = bytes.NewReader(archive(t, items))
	got, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("cpio: %v: %s", err, got)
	}
	want := "dir\ndir/empty\ndir/1\ndir/12\ndir/123\nlink\nconsole\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestEqualInputMakesEqualArchives(t *testing.T) {
	if !bytes.Equal(archive(t, items), archive(t, items)) {
		t.Error("two archives of the same differ")
	}
}

func TestWriterRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		header newc.Header
		body   string
		want   string
	}{
		"a short body":  {newc.Header{Name: "f", Size: 5}, "four", "archive f: 4 bytes, 5 announced"},
		"negative size": {newc.Header{Name: "f", Size: -1}, "", "archive f: -1 bytes do not fit the format"},
		"large size":    {newc.Header{Name: "f", Size: 1 << 32}, "", "archive f: 4294967296 bytes do not fit the format"},
		"no name":       {newc.Header{}, "", `archive : the name "" does not fit the format`},
		"zero in name":  {newc.Header{Name: "a\x00b"}, "", `archive ` + "a\x00b" + `: the name "a\x00b" does not fit the format`},
	} {
		t.Run(name, func(t *testing.T) {
			err := newc.NewWriter(io.Discard).Write(test.header, strings.NewReader(test.body))
			if err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

func TestWriterReportsErrors(t *testing.T) {
	full := errors.New("no space left")
	err := newc.NewWriter(failing{full}).Write(newc.Header{Name: "f"}, strings.NewReader(""))
	if !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// read reads an archive by the description of the format, up to its trailer.
func read(b []byte) ([]item, error) {
	var items []item
	for {
		if len(b) < 110 || string(b[:6]) != "070701" {
			return nil, fmt.Errorf("no header after %d entries", len(items))
		}
		var fields [13]uint64
		for i := range fields {
			v, err := strconv.ParseUint(string(b[6+8*i:14+8*i]), 16, 32)
			if err != nil {
				return nil, err
			}
			fields[i] = v
		}
		size, named := int(fields[6]), int(fields[11])
		name := string(b[110 : 110+named-1])
		body := b[(110+named+3)/4*4:]
		if name == "TRAILER!!!" {
			return items, nil
		}
		items = append(items, item{newc.Header{
			Name: name, Mode: uint32(fields[1]), Size: int64(size),
			Major: uint32(fields[9]), Minor: uint32(fields[10]),
		}, string(body[:size])})
		b = body[(size+3)/4*4:]
	}
}
