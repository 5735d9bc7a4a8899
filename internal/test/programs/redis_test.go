package programs_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// A store is Redis behind shunt.
type store struct {
	d        *daemon
	id, port string
}

func newStore(t *testing.T) *store {
	t.Helper()
	need.Programs(t, "redis-server", "redis-cli", "redis-benchmark")
	s := &store{port: process.FreePort(t)}
	s.id = id("tcp", s.port)
	addr := reals[0]
	p := process.Start(t, "redis-server", "--bind", addr, "--port", s.port, "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	p.Listens(addr + ":" + s.port)
	s.d = direct(t, service(s.port, reals[:1], "checktype = connect"))
	return s
}

func (s *store) args(more ...string) []string {
	return append([]string{"-h", vip, "-p", s.port}, more...)
}

// ask runs commands, one a line, and returns their answers.
func (s *store) ask(t *testing.T, commands string) string {
	t.Helper()
	return process.Feed(t, commands, "redis-cli", s.args()...)
}

// Redis counts what its benchmark has sent, keys have the values that they
// were given, and a subscriber gets every message in order.
func TestRedis(t *testing.T) {
	s := newStore(t)
	subscriber := process.Start(t, "redis-cli", s.args("SUBSCRIBE", "news")...)
	subscriber.Prints("subscribe\nnews\n1\n")
	t.Run("benchmark", s.benchmark)
	t.Run("values", s.values)
	t.Run("large value", s.large)
	t.Run("subscriber", func(t *testing.T) { s.publish(t, subscriber) })
	s.d.carried(s.id, 1+8*50)
}

func (s *store) benchmark(t *testing.T) {
	process.Run(t, "redis-benchmark", s.args("-q", "-c", "50", "-n", "10000", "-t", "ping,set,get,incr,rpush,sadd,hset,mset")...)
	process.Run(t, "redis-benchmark", s.args("-q", "-c", "50", "-n", "32000", "-P", "16", "-t", "set,get,incr,rpush")...)
	if got, want := s.ask(t, "GET counter:__rand_int__\nLLEN mylist\n"), "42000\n42000\n"; got != want {
		t.Errorf("counter and length of the list are %q, want %q", got, want)
	}
}

// values sets keys in one stream of commands and reads them one by one.
func (s *store) values(t *testing.T) {
	const n = 10000
	var set, get, want strings.Builder
	for i := range n {
		key, value := fmt.Sprintf("key-%d", i), fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, i)))
		fmt.Fprintf(&set, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(key), key, len(value), value)
		fmt.Fprintf(&get, "GET %s\n", key)
		fmt.Fprintf(&want, "%s\n", value)
	}
	if out := process.Feed(t, set.String(), "redis-cli", s.args("--pipe")...); !strings.Contains(out, fmt.Sprintf("errors: 0, replies: %d", n)) {
		t.Errorf("redis-cli --pipe says %q", out)
	}
	if got := s.ask(t, get.String()); got != want.String() {
		t.Errorf("%d keys are not as set: got\n%s", n, process.Tail(got))
	}
}

func (s *store) large(t *testing.T) {
	dir := t.TempDir()
	f := content(t, dir, "value", 16<<20)
	value, err := os.Open(f.path)
	must(t, err)
	defer value.Close()
	var ok strings.Builder
	must(t, process.Pass(t, value, &ok, "redis-cli", s.args("-x", "SET", "large")...))
	got := process.Run(t, "redis-cli", s.args("--raw", "GET", "large")...)
	write(t, filepath.Join(dir, "got"), strings.TrimSuffix(got, "\n"))
	f.is(t, filepath.Join(dir, "got"))
}

func (s *store) publish(t *testing.T, subscriber *process.Process) {
	const n = 1000
	var commands, want strings.Builder
	for i := range n {
		fmt.Fprintf(&commands, "PUBLISH news item-%d\n", i)
		fmt.Fprintf(&want, "message\nnews\nitem-%d\n", i)
	}
	if got := s.ask(t, commands.String()); got != strings.Repeat("1\n", n) {
		t.Errorf("not every message had its one subscriber: %s", process.Tail(got))
	}
	subscriber.Prints(fmt.Sprintf("item-%d\n", n-1))
	if _, got, _ := strings.Cut(subscriber.Printed(), "subscribe\nnews\n1\n"); got != want.String() {
		t.Errorf("the subscriber got\n%s", process.Tail(got))
	}
}
