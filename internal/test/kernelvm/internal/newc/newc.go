// Package newc writes the archives that the kernel unpacks as its first file
// system: cpio in the format "newc", described in the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst.
package newc

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// The size of an entry's header, and what entries and their bodies are padded to.
const (
	headerSize = 110
	alignment  = 4
)

// trailer names the entry that ends an archive.
const trailer = "TRAILER!!!"

// A Header describes one entry of an archive.
type Header struct {
	Name  string // path without a leading slash
	Mode  uint32 // type and permissions, as in unix.Stat_t
	Size  int64  // bytes of the body; the target's length for a symbolic link
	Major uint32 // device numbers, of a character or block device alone
	Minor uint32
}

// A Writer writes an archive. It is for one goroutine.
type Writer struct {
	w       io.Writer
	entries int64
}

// NewWriter returns a writer of an archive to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write adds an entry whose body is the h.Size bytes that body holds. A body
// of another size is an error, and the archive is spoilt then. Directories
// have to be written before what is in them. Everything belongs to root and
// has no time, so that equal input makes equal archives.
func (w *Writer) Write(h Header, body io.Reader) error {
	if err := w.header(h); err != nil {
		return fmt.Errorf("archive %s: %w", h.Name, err)
	}
	n, err := io.Copy(w.w, io.LimitReader(body, h.Size))
	if err != nil {
		return fmt.Errorf("archive %s: %w", h.Name, err)
	}
	if n != h.Size {
		return fmt.Errorf("archive %s: %d bytes, %d announced", h.Name, n, h.Size)
	}
	return w.pad(h.Size)
}

// Close ends the archive. It does not close the writer beneath.
func (w *Writer) Close() error {
	return w.header(Header{Name: trailer})
}

func (w *Writer) header(h Header) error {
	if h.Size < 0 || h.Size > math.MaxUint32 {
		return fmt.Errorf("%d bytes do not fit the format", h.Size)
	}
	if h.Name == "" || strings.ContainsRune(h.Name, 0) {
		return fmt.Errorf("the name %q does not fit the format", h.Name)
	}
	w.entries++
	fields := []any{
		w.entries, h.Mode, 0, 0, // inode, mode, owner, group
		1, 0, h.Size, // links, time, size
		0, 0, h.Major, h.Minor, // device it is on, device it is
		len(h.Name) + 1, 0, // length of the name, checksum
	}
	head := "070701" + fmt.Sprintf(strings.Repeat("%08x", len(fields)), fields...) + h.Name + "\x00"
	if _, err := io.WriteString(w.w, head); err != nil {
		return err
	}
	return w.pad(headerSize + int64(len(h.Name)) + 1)
}

// pad fills up what was n bytes long.
func (w *Writer) pad(n int64) error {
	_, err := w.w.Write(make([]byte, (alignment-n%alignment)%alignment))
	return err
}
