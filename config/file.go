package config

import (
	"bytes"
	"io"
	"os"
)

// maxSize is how large a configuration file may be.
const maxSize = 16 << 20

// ReadFile returns the text of the file at path for Parse: all of it, or as
// much as Parse needs to say that it is too large. A pipe is read to its end.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	var b bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		b.Grow(int(min(info.Size(), maxSize)) + bytes.MinRead) // reading takes no more than the file
	}
	_, err = b.ReadFrom(io.LimitReader(f, maxSize+1))
	return b.Bytes(), err
}
