package config_test

import (
	"context"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

var update = flag.Bool("update", false, "write the files of expected results anew")

func TestMain(m *testing.M) {
	// Defaults of login and passwd hold the name of the host.
	if err := os.Setenv("HOSTNAME", "director.example.test"); err != nil {
		panic(err)
	}
	leak.Main(m)
}

// hosts is a Resolver with a fixed table; a host it does not have is an error.
type hosts map[string][]netip.Addr

var errNoHost = errors.New("no such host")

func (h hosts) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	var found []netip.Addr
	for _, a := range h[host] {
		if a.Is4() == (network == "ip4") {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil, errNoHost
	}
	return found, nil
}

var testHosts = hosts{
	"www.example.test": {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
	"www":              {netip.MustParseAddr("192.0.2.2")},
	"last":             {netip.MustParseAddr("192.0.2.4")},
	"localhost":        {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")},
}

func parse(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	return config.Parse(t.Context(), "test.cf", []byte(text), config.Options{Resolver: testHosts})
}

func mustParse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := parse(t, text)
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	return c
}

// wrong parses text, which must be refused.
func wrong(t *testing.T, text string, o config.Options) config.Problems {
	t.Helper()
	if o.Resolver == nil {
		o.Resolver = testHosts
	}
	_, err := config.Parse(t.Context(), "test.cf", []byte(text), o)
	ps, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("error is %v, want Problems", err)
	}
	return ps
}

// sameMeaning leaves out of a comparison what printing does not keep.
var sameMeaning = cmp.Options{
	cmpopts.IgnoreFields(config.Config{}, "Path", "Warnings", "Waiting"),
	cmpopts.IgnoreUnexported(config.Config{}),
	cmpopts.IgnoreFields(config.Global{}, "Origins", "Includes"),
	cmpopts.IgnoreFields(config.Virtual{}, "Pos", "Origins"),
	cmpopts.IgnoreFields(config.Real{}, "Pos", "Name"),
	cmpopts.IgnoreFields(config.Check{}, "Pos"),
	cmpopts.IgnoreFields(config.Fallback{}, "Pos"),
	cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{}, netip.Prefix{}),
	cmpopts.EquateEmpty(),
}

// roundTrip checks that what Print writes is read as the same configuration,
// and is a fixed point.
func roundTrip(t interface {
	Helper()
	Fatalf(string, ...any)
}, c *config.Config,
) {
	t.Helper()
	text := config.Print(c)
	again, err := config.Parse(context.Background(), "printed.cf", text, config.Options{Resolver: hosts{}})
	if err != nil {
		t.Fatalf("what Print wrote is refused: %v\n%s", err, text)
	}
	if diff := cmp.Diff(c, again, sameMeaning); diff != "" {
		t.Fatalf("what Print wrote means something else (-read +printed):\n%s\n%s", diff, text)
	}
	if twice := config.Print(again); string(twice) != string(text) {
		t.Fatalf("printed twice:\n%s", cmp.Diff(string(text), string(twice)))
	}
}

// want compares got with the content of file, or writes it with -update.
func want(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no files for %s: %v", pattern, err)
	}
	return found
}

func report(t *testing.T, ps config.Problems) string {
	t.Helper()
	var b strings.Builder
	if err := config.Report(&b, ps); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
