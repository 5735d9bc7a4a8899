// Package statefile keeps what operators have ordered in a file, over restarts and
// crashes.
package statefile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/files"
)

// A State is what the file has.
type State struct {
	Config  string    `json:"config"`  // the configuration that it is about
	Written time.Time `json:"written"` // a running shunt renews it
	Orders  []Order   `json:"orders"`
	// Fallbacks are services whose fallback answers by order; they have no Real.
	Fallbacks []Order `json:"fallbacks"`
}

// An Order is one about a real server or a fallback.
type Order struct {
	Service string    `json:"service"`
	Real    string    `json:"real,omitempty"`
	State   string    `json:"state,omitempty"`
	Weight  *int      `json:"weight,omitempty"`
	By      string    `json:"by"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
}

// Empty reports whether there is nothing to be kept.
func (s State) Empty() bool { return len(s.Orders)+len(s.Fallbacks) == 0 }

// ErrDamaged matches the error for a file that is no state, or not all of one.
var ErrDamaged = errors.New("damaged")

const (
	title    = "shunt state 1\n"
	digest   = "sha256 "
	maxState = 4 << 20
)

// encode returns the text of the file: a title, the digest of the rest, the state as
// JSON in one line.
func encode(s State) ([]byte, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	if len(body) > maxState {
		return nil, fmt.Errorf("%d orders are too many for a state file", len(s.Orders))
	}
	sum := sha256.Sum256(body)
	return fmt.Appendf(nil, "%s%s%s\n%s", title, digest, hex.EncodeToString(sum[:]), body), nil
}

// decode is the opposite of encode. What a newer version has added to the JSON is
// passed over; what an older one would misread needs another title.
func decode(text []byte) (s State, err error) {
	rest, ok := bytes.CutPrefix(text, []byte(title))
	if !ok {
		return s, fmt.Errorf("%w: its first line is not %q", ErrDamaged, title[:len(title)-1])
	}
	line, body, _ := bytes.Cut(rest, []byte("\n"))
	sum := sha256.Sum256(body)
	if string(line) != digest+hex.EncodeToString(sum[:]) {
		return s, fmt.Errorf("%w: its checksum is another one", ErrDamaged)
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

// Read reads the file at path, which is not a symbolic link, within the time
// [files.Patience]. There may be none: then the error matches [fs.ErrNotExist].
func Read(path string) (State, error) {
	text, err := files.Try(context.Background(), path, func() ([]byte, error) { return read(path) })
	if err != nil {
		return State{}, err
	}
	return decode(text)
}

func read(path string) (text []byte, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is not a regular file", ErrDamaged)
	case info.Size() > 2*maxState:
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrDamaged, 2*maxState)
	}
	return io.ReadAll(io.LimitReader(f, 2*maxState))
}

// SetAside renames the file, so that somebody can look at it, and returns its new name.
func SetAside(path string) (string, error) {
	bad := path + ".bad"
	return bad, os.Rename(path, bad)
}

// write replaces the file at path as a whole: whoever reads it finds the state before
// or this one, also after a crash. Without orders there is no file.
func write(path string, s State) error {
	dir := filepath.Dir(path)
	if s.Empty() {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return syncFolder(dir)
	}
	text, err := encode(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a crash
		return err
	}
	if err := writeNew(fresh, text); err != nil {
		_ = os.Remove(fresh) // it may be half written, or not there
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncFolder(dir)
}

func writeNew(path string, text []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(text); err != nil {
		return err
	}
	return f.Sync()
}

// syncFolder has names of a folder survive a crash. A folder that is gone has none.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
