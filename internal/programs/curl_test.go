package programs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A site is two nginx with the same files behind shunt.
type site struct {
	d    *daemon
	id   string
	root string
	url  string
	big  file
}

func newSite(t *testing.T) *site {
	t.Helper()
	need(t, "curl")
	port := freePort(t)
	s := &site{root: t.TempDir(), id: id("tcp", port), url: "http://" + vip + ":" + port}
	s.big = content(t, s.root, "big", much())
	write(t, filepath.Join(s.root, "index.html"), "here\n")
	for _, addr := range reals {
		nginx(t, addr+":"+port, "", s.root)
	}
	s.d = direct(t, service(port, reals, "scheduler = rr", "service = http", `request = "index.html"`, `receive = "here"`))
	return s
}

// curl down and up, with checksums, by itself and several at a time.
func TestCurl(t *testing.T) {
	s := newSite(t)
	t.Run("down", s.down)
	t.Run("up", s.up)
	t.Run("streams", s.streams)
	t.Run("half-closed upload", s.halfClosed)
	s.d.carried(s.id, 1+1+2*8+1)
	text := s.d.metrics()
	for metric, least := range map[string]int64{
		"shunt_service_in_bytes_total":  3 * s.big.size,
		"shunt_service_out_bytes_total": 2 * s.big.size,
	} {
		if n := sum(text, metric, s.id); n < float64(least) {
			t.Errorf("%s is %v, want %d or more", metric, n, least)
		}
	}
}

func (s *site) down(t *testing.T) {
	if sum, err := s.part(t, 0, s.big.size); err != nil || sum != s.big.sum {
		t.Errorf("downloaded %s, want %s: %v", sum, s.big.sum, err)
	}
}

// part downloads a range of the file and returns its sum.
func (s *site) part(t *testing.T, from, size int64) (string, error) {
	h := sha256.New()
	err := pass(t, nil, h, "curl", "-sSf", "-r", fmt.Sprintf("%d-%d", from, from+size-1), s.url+"/big")
	return hex.EncodeToString(h.Sum(nil)), err
}

func (s *site) up(t *testing.T) {
	if code := run(t, "curl", "-sSf", "-w", "%{http_code}", "-T", s.big.path, s.url+"/up/whole"); code != "201" {
		t.Errorf("status %s", code)
	}
	s.big.is(t, filepath.Join(s.root, "up", "whole"))
}

// Eight streams of each direction at the same time.
func (s *site) streams(t *testing.T) {
	const n = 8
	size := s.big.size / n
	var all sync.WaitGroup
	for i := range int64(n) {
		part := s.section(t, i*size, size)
		name := fmt.Sprint("part", i)
		all.Go(func() {
			if sum, err := s.part(t, i*size, size); err != nil || sum != part.sum {
				t.Errorf("part %d: downloaded %s, want %s: %v", i, sum, part.sum, err)
			}
		})
		all.Go(func() {
			if err := pass(t, nil, io.Discard, "curl", "-sSf", "-T", part.path, s.url+"/up/"+name); err != nil {
				t.Error(err)
			}
		})
		defer func() { part.is(t, filepath.Join(s.root, "up", name)) }()
	}
	all.Wait()
}

// section copies a part of the file into one of its own.
func (s *site) section(t *testing.T, from, size int64) file {
	t.Helper()
	big, err := os.Open(s.big.path)
	must(t, err)
	defer big.Close()
	part, err := os.Create(filepath.Join(t.TempDir(), "part"))
	must(t, err)
	defer part.Close()
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(part, h), io.NewSectionReader(big, from, size))
	must(t, err)
	return file{path: part.Name(), sum: hex.EncodeToString(h.Sum(nil)), size: size}
}

// The client ends its side as soon as it has sent all, and is answered.
func (s *site) halfClosed(t *testing.T) {
	need(t, "socat")
	big, err := os.Open(s.big.path)
	must(t, err)
	defer big.Close()
	head := fmt.Sprintf("PUT /up/half HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", vip, s.big.size)
	var answer strings.Builder
	must(t, pass(t, io.MultiReader(strings.NewReader(head), big), &answer, "socat", "-t", "60", "-", "TCP:"+strings.TrimPrefix(s.url, "http://")))
	if !strings.HasPrefix(answer.String(), "HTTP/1.1 201 ") {
		t.Errorf("the answer is %q", answer.String())
	}
	s.big.is(t, filepath.Join(s.root, "up", "half"))
}
