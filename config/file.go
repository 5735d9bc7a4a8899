package config

import "github.com/shunt-lb/shunt/internal/files"

// maxSize is how large a configuration file may be.
const maxSize = 16 << 20

// ReadFile returns the text of the regular file at path for Parse: all of it, or
// as much as Parse needs to say that it is too large.
func ReadFile(path string) ([]byte, error) { return files.Read(path, maxSize+1) }
