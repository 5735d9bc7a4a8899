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

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A site is two nginx with the same files behind shunt.
type site struct {
	d    *daemon
	addr string
	root string
	url  string
	big  file
}

func newFixture(t *testing.T, family, addr string, servers []string, size int64) *site {
	t.Helper()
	need.Programs(t, "curl")
	s := &site{addr: addr, root: t.TempDir(), url: "http://" + addr}
	s.big = content(t, s.root, "big", size)
	write(t, filepath.Join(s.root, "index.html"), "here\n")
	for _, server := range servers {
		nginx(t, server, "", s.root)
	}
	s.d = direct(t, section(family, addr, servers, "scheduler = rr", "service = http", `request = "index.html"`, `receive = "here"`))
	return s
}

// curl down and up, with checksums, by itself and several at a time.
func TestCurl(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) {
		port := process.FreePort(t)
		newFixture(t, "", vip+":"+port, []string{reals[0] + ":" + port, reals[1] + ":" + port}, much()).visit(t)
	})
	t.Run("IPv6", func(t *testing.T) {
		addr := func() string { return "[::1]:" + process.FreePort(t) }
		newFixture(t, "6", addr(), []string{addr(), addr()}, 64<<20).visit(t)
	})
}

func (s *site) visit(t *testing.T) {
	t.Run("down", s.down)
	t.Run("up", s.up)
	t.Run("streams", s.streams)
	t.Run("half-closed upload", s.halfClosed)
	t.Run("given up", s.givenUp)
	id := "tcp " + s.addr
	s.d.carried(id, 1+1+2*8+1+8)
	text := s.d.metrics()
	for metric, least := range map[string]int64{
		"shunt_service_in_bytes_total":  3 * s.big.size,
		"shunt_service_out_bytes_total": 2 * s.big.size,
	} {
		if n := sum(text, metric, id); n < float64(least) {
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
	err := process.Pass(t, nil, h, "curl", "-sSf", "-r", fmt.Sprintf("%d-%d", from, from+size-1), s.url+"/big")
	return hex.EncodeToString(h.Sum(nil)), err
}

func (s *site) up(t *testing.T) {
	if code := process.Run(t, "curl", "-sSf", "-w", "%{http_code}", "-T", s.big.path, s.url+"/up/whole"); code != "201" {
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
			if err := process.Pass(t, nil, io.Discard, "curl", "-sSf", "-T", part.path, s.url+"/up/"+name); err != nil {
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
	need.Programs(t, "socat")
	big, err := os.Open(s.big.path)
	must(t, err)
	defer big.Close()
	head := fmt.Sprintf("PUT /up/half HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", s.addr, s.big.size)
	var answer strings.Builder
	must(t, process.Pass(t, io.MultiReader(strings.NewReader(head), big), &answer, "socat", "-t", "60", "-", "TCP:"+s.addr))
	if !strings.HasPrefix(answer.String(), "HTTP/1.1 201 ") {
		t.Errorf("the answer is %q", answer.String())
	}
	s.big.is(t, filepath.Join(s.root, "up", "half"))
}

// Clients that go away in the middle, as they do, leave nothing behind, and
// disturb nobody who reads slowly beside them.
func (s *site) givenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slow")
	slow := process.Start(t, "curl", "-sSf", "--limit-rate", "8M", "-r", "0-16777215", "-o", path, s.url+"/big")
	for range 4 {
		before := s.total("shunt_service_connections_total")
		down := process.Start(t, "curl", "-sS", "--limit-rate", "1M", "-o", "/dev/null", s.url+"/big")
		up := process.Start(t, "curl", "-sS", "--limit-rate", "1M", "-T", s.big.path, s.url+"/up/given-up")
		wait.Until(t, "both are connected", func() bool { return s.total("shunt_service_connections_total") >= before+2 })
		down.Signal(unix.SIGKILL)
		up.Signal(unix.SIGKILL)
	}
	slow.Wait()
	s.section(t, 0, 16<<20).is(t, path)
	wait.Until(t, "no connection is left", func() bool { return s.total("shunt_real_server_active_connections") == 0 })
}

func (s *site) total(metric string) float64 { return sum(s.d.metrics(), metric, "tcp "+s.addr) }
