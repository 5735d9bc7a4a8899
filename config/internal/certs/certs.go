// Package certs reads certificates and keys that a configuration names, so
// that no check has to read a file.
package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/shunt-lb/shunt/internal/files"
)

// maxSize is how large a file may be. The authorities of a whole distribution
// take 220 KB.
const maxSize = 4 << 20

// Roots are the authorities that are trusted. They do not change.
type Roots struct {
	Pool *x509.CertPool
	Sum  [sha256.Size]byte // of the file
}

// Equal reports whether r and other are of files with the same content.
func (r *Roots) Equal(other *Roots) bool {
	return r == other || r != nil && other != nil && r.Sum == other.Sum
}

// ReadRoots reads the certificates in PEM that the file at path has. The error
// names the file.
func ReadRoots(path string) (*Roots, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	r := &Roots{Pool: x509.NewCertPool(), Sum: sha256.Sum256(text)}
	for n := 1; ; n++ {
		block, rest := pem.Decode(text)
		switch {
		case block == nil && n == 1:
			return nil, fmt.Errorf("%s has no certificate in PEM", path)
		case block == nil:
			return r, nil
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("%s has something other than certificates: %s", path, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of %s cannot be read: %w", n, path, err)
		}
		r.Pool.AddCert(c)
		text = rest
	}
}

// A Pair is a certificate, with those that vouch for it, and its key. It does
// not change.
type Pair struct {
	Certificate *tls.Certificate
	Sum         [sha256.Size]byte // of both files
}

// Equal reports whether p and other are of files with the same content.
func (p *Pair) Equal(other *Pair) bool {
	return p == other || p != nil && other != nil && p.Sum == other.Sum
}

// ReadPair reads the certificate in the file at cert and its key in the file at
// key, both in PEM; it may be the same file. The error says nothing that is
// secret.
func ReadPair(cert, key string) (*Pair, error) {
	c, err := read(cert)
	if err != nil {
		return nil, err
	}
	k, err := read(key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(c, k)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are no certificate with its key: %w", cert, key, err)
	}
	return &Pair{Certificate: &pair, Sum: sha256.Sum256(append(append(c, 0), k...))}, nil
}

func read(path string) ([]byte, error) {
	text, err := files.Read(path, maxSize+1)
	switch {
	case errors.Is(err, files.ErrNotRegular):
		return nil, fmt.Errorf("%s is no file", path)
	case err == nil && len(text) > maxSize:
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxSize>>20)
	}
	return text, err
}
