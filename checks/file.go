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
	return attempt(ctx, "file", target.File, func() error {
		text, err := readFile(ctx, &target)
		if errors.Is(err, files.ErrHangs) {
			err = &failure.Cause{Err: err, When: "while reading the file"}
		}
		if err != nil {
			return err
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				return readAgentLine("the file", line[:min(len(line), maxAgentLine)], target.Note)
			}
		}
		return failure.Because(Protocol, "the file says nothing")
	})
}

// readFile returns the beginning of the file about target.
func readFile(ctx context.Context, target *Target) (string, error) {
	return files.Try(ctx, target.File, func() (string, error) {
		f, err := files.Open(target.File)
		if errors.Is(err, files.ErrNotRegular) {
			f, err = files.Open(filepath.Join(target.File, fileName(target)))
		}
		if err != nil {
			return "", &failure.Cause{Err: err}
		}
		defer func() { _ = f.Close() }() // it was only read
		text, err := io.ReadAll(io.LimitReader(f, maxFile))
		if err != nil {
			return "", &failure.Cause{Err: err}
		}
		return string(text), nil
	})
}

// fileName is the name of the file about a real server in a folder.
func fileName(t *Target) string {
	if t.RealPort == "" || t.RealPort == "0" {
		return t.RealAddr
	}
	return t.RealAddr + ":" + t.RealPort
}
