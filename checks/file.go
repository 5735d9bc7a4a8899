package checks

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/internal/files"
)

// maxFile is how much of a file is read, in bytes.
const maxFile = 4 << 10

// File reads a line about the real server's state, as an agent says it, from
// target.File of this host: the first that is neither blank nor a comment. If it
// is a folder, the file in it is named after the real server: ADDRESS:PORT, or
// ADDRESS where it has no port. A file that is not there is a failure. A file
// system that does not answer ends the check with its context.
func File(ctx context.Context, target Target) error {
	path := target.File
	err := attempt(ctx, "file", path, func() error {
		f, err := files.Try(ctx, path, func() (stateFile, error) { return readFile(&target), nil })
		if errors.Is(err, files.ErrHangs) {
			err = &failure.Cause{Err: err, When: "while reading the file"}
		}
		if err != nil {
			return err
		}
		path = f.path
		return f.judge(&target)
	})
	if e, ok := errors.AsType[*Error](err); ok {
		e.Object = path
	}
	return err
}

// A stateFile is the beginning of a file about a real server, or why it cannot be
// read.
type stateFile struct {
	path, text string
	err        error
}

// judge reads the line about the state.
func (f *stateFile) judge(t *Target) error {
	t.Trace.Note(TraceNoted, "read %s", f.path)
	if f.err != nil {
		return &failure.Cause{Err: f.err}
	}
	t.Trace.Data(TraceReceived, []byte(f.text))
	for line := range strings.Lines(f.text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return readAgentLine("the file", line[:min(len(line), maxAgentLine)], t.Note)
		}
	}
	return failure.Because(Protocol, "the file says nothing")
}

// readFile reads the file about t.
func readFile(t *Target) (s stateFile) {
	s.path = t.File
	f, err := files.Open(s.path)
	if errors.Is(err, files.ErrNotRegular) {
		s.path = filepath.Join(t.File, fileName(t))
		f, err = files.Open(s.path)
	}
	if err != nil {
		s.err = err
		return s
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	s.text, s.err = string(text), err
	return s
}

// fileName is the name of the file about a real server in a folder.
func fileName(t *Target) string {
	if t.RealPort == "" || t.RealPort == "0" {
		return t.RealAddr
	}
	return t.RealAddr + ":" + t.RealPort
}
