package statefile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/internal/test/leak"
	"github.com/shunt-lb/shunt/internal/test/need"
)

func TestMain(m *testing.M) { leak.Main(m) }

func drainOf(real string) State {
	return State{Config: "/etc/ha.d/ldirectord.cf", Orders: []Order{{
		Service: "tcp 10.0.0.100:80", Real: real, State: "drain", By: "alice (sudo)", Reason: "deploy 4711",
		At: time.Date(2026, 11, 30, 14, 30, 0, 0, time.UTC),
	}}}
}

func mustWrite(t *testing.T, path string, s State) {
	t.Helper()
	if err := write(path, s); err != nil {
		t.Fatal(err)
	}
}

// TestStateFileKeepsWhatItIsGiven: whatever is written is read back.
func TestStateFileKeepsWhatItIsGiven(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.Custom(func(rt *rapid.T) Order {
			o := Order{
				Service: rapid.String().Draw(rt, "service"), Real: rapid.String().Draw(rt, "real"), By: rapid.String().Draw(rt, "by"),
				Reason: rapid.String().Draw(rt, "reason"), State: rapid.SampledFrom([]string{"", "drain", "maintenance"}).Draw(rt, "state"),
				At: time.Unix(rapid.Int64Range(0, 1<<33).Draw(rt, "at"), 0).UTC(),
			}
			if rapid.Bool().Draw(rt, "weight") {
				o.Weight = new(rapid.IntRange(0, 65535).Draw(rt, "n"))
			}
			return o
		})
		want := State{Config: "/a.cf", Orders: rapid.SliceOfN(order, 1, 9).Draw(rt, "orders"), Fallbacks: rapid.SliceOfN(order, 1, 2).Draw(rt, "fallbacks")}
		if err := write(path, want); err != nil {
			rt.Fatal(err)
		}
		if got, err := Read(path); err != nil || !reflect.DeepEqual(got, want) {
			rt.Fatalf("read %+v, %v, want %+v", got, err, want)
		}
	})
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestStateFileTorn: whatever part of a file is missing or changed, it is damaged and
// not half a state.
func TestStateFileTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	mustWrite(t, path, drainOf("192.168.80.110:80"))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(what string, i int, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Read(path); !errors.Is(err, ErrDamaged) || !s.Empty() {
			t.Errorf("%s %d: %+v, %v", what, i, s, err)
		}
	}
	for i := range whole {
		damaged("cut at", i, whole[:i])
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1
		damaged("changed at", i, flipped)
	}
	damaged("twice", 0, append(bytes.Clone(whole), whole...))
	damaged("too large", 0, append(bytes.Clone(whole), make([]byte, 2*maxState)...))
}

// TestStateFileIsNoLink: a symbolic link, a folder or a pipe in its place is neither
// followed nor waited for, and writing replaces the link and not what it leads to.
func TestStateFileIsNoLink(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "state"), filepath.Join(dir, "other")
	mustWrite(t, other, drainOf("192.168.80.110:80"))
	before, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	for what, put := range map[string]func() error{
		"link": func() error { return os.Symlink(other, path) },
		"pipe": func() error { return unix.Mkfifo(path, 0o600) },
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if s, err := Read(path); err == nil || errors.Is(err, fs.ErrNotExist) || !s.Empty() {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
		mustWrite(t, path, drainOf("192.168.80.120:80"))
		if s, err := Read(path); err != nil || s.Orders[0].Real != "192.168.80.120:80" {
			t.Errorf("%s: written over: %+v, %v", what, s, err)
		}
		if bad, err := SetAside(path); err != nil || bad != path+".bad" {
			t.Error(bad, err)
		}
	}
	if after, err := os.ReadFile(other); err != nil || !bytes.Equal(before, after) {
		t.Errorf("what the link leads to has changed: %v", err)
	}
}

// TestStateFileFull: on a disk that is full the state before stays whole, and nothing
// half written is left.
func TestStateFileFull(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "state")
	mustWrite(t, path, drainOf("192.168.80.110:80"))
	large := drainOf("192.168.80.120:80")
	for range 1000 {
		large.Orders = append(large.Orders, large.Orders[0])
	}
	if err := write(path, large); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("write to a full disk: %v", err)
	}
	if s, err := Read(path); err != nil || s.Orders[0].Real != "192.168.80.110:80" {
		t.Errorf("after that: %+v, %v", s, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v", left, err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := write(path, large); !errors.Is(err, unix.EROFS) {
		t.Errorf("write to a disk that is read-only: %v", err)
	}
}

// A diary records what a writer reports.
type diary struct {
	mu   sync.Mutex
	log  bytes.Buffer
	done []string
}

// Write implements [io.Writer], for the log.
func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(b)
}

// read returns what was reported since the last call, and all of the log.
func (d *diary) read() (done, log string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	done, d.done = strings.Join(d.done, ", "), nil
	return done, d.log.String()
}

func (d *diary) options(path string) Options {
	return Options{Path: path, Log: slog.New(slog.NewTextHandler(d, nil)), Done: func(version uint64, err error) {
		word := "saved"
		if err != nil {
			word = "failed"
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.done = append(d.done, word+" "+string(rune('0'+version)))
	}}
}

// TestWriter: the latest state is written, renewed every ten minutes while there is
// one, and gone with the last order; a failure is tried again and logged once.
func TestWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, d := filepath.Join(t.TempDir(), "folder", "state"), &diary{}
		w := NewWriter(d.options(path))
		w.Save(1, drainOf("192.168.80.110:80"))
		w.Save(2, drainOf("192.168.80.120:80"))
		synctest.Wait()
		first, err := Read(path)
		if err != nil || first.Orders[0].Real != "192.168.80.120:80" {
			t.Fatalf("%+v, %v", first, err)
		}
		time.Sleep(renewPause + time.Second)
		synctest.Wait()
		if renewed, err := Read(path); err != nil || !renewed.Written.After(first.Written) {
			t.Errorf("written %v, then %v, %v", first.Written, renewed.Written, err)
		}
		if err := os.RemoveAll(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Dir(path), nil, 0o600); err != nil { // no folder can be made
			t.Fatal(err)
		}
		d.read()
		w.Save(3, drainOf("192.168.80.130:80"))
		time.Sleep(retryPause + time.Second)
		synctest.Wait()
		if done, log := d.read(); done != "failed 3, failed 3" || strings.Count(log, "level=ERROR") != 1 {
			t.Errorf("%s; log: %s", done, log)
		}
		if err := os.Remove(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(retryPause)
		synctest.Wait()
		_, log := d.read()
		if s, err := Read(path); err != nil || s.Orders[0].Real != "192.168.80.130:80" || !strings.Contains(log, "saved again") {
			t.Errorf("%+v, %v; log: %s", s, err, log)
		}
		w.Save(4, State{})
		w.Close()
		w.Wait(t.Context())
		if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without orders: %v", err)
		}
		if done, _ := d.read(); done != "saved 4" {
			t.Error(done)
		}
	})
}

// TestStateFileOfANewerVersion: after a downgrade the orders still count, and what this
// version does not know is passed over.
func TestStateFileOfANewerVersion(t *testing.T) {
	text, err := encode(drainOf("192.168.80.110:80"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(strings.TrimPrefix(string(text), title), "\n")
	body = strings.ReplaceAll(strings.Replace(body, "{", `{"colour":"red",`, 1), `"by":`, `"ticket":[4711],"by":`)
	text = fmt.Appendf(nil, "%s%s%x\n%s", title, digest, sha256.Sum256([]byte(body)), body)
	if got, err := decode(text); err != nil || !reflect.DeepEqual(got, drainOf("192.168.80.110:80")) {
		t.Errorf("%s is read as %+v, %v", text, got, err)
	}
}

func FuzzDecode(f *testing.F) {
	text, err := encode(drainOf("192.168.80.110:80"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(title + digest))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := decode(text)
		if err != nil {
			return
		}
		again, err := encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := decode(again); err != nil || !reflect.DeepEqual(s, b) {
			t.Errorf("%+v becomes %+v, %v", s, b, err)
		}
	})
}
