package daemon

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A reload may put a service on all addresses beside one on an address, take
// away either and exchange them; clients get the more specific one throughout.
func TestReloadWithAllAddressesBesideOne(t *testing.T) {
	named := func(name string) string {
		return server(t, func(c net.Conn) { _, _ = io.WriteString(c, name) })
	}
	one, all := named("one"), named("all")
	b := set(t, "checkinterval = 1\n")
	_, port, _ := net.SplitHostPort(b.vip)
	section := func(host, real string) string {
		return fmt.Sprintf("virtual = %s:%s\n\treal = %s masq\n\tchecktype = on\n", host, port, real)
	}
	ofOne, ofAll := section("127.0.0.1", one), section("0.0.0.0", all)
	for _, step := range []struct{ text, at1, at2 string }{
		{ofOne, "one", ""},
		{ofAll + ofOne, "one", "all"},
		{ofAll, "all", "all"},
		{ofOne + ofAll, "one", "all"},
		{ofOne, "one", ""},
		{ofOne + ofAll, "one", "all"},
		{section("127.0.0.1", all) + section("0.0.0.0", one), "all", "one"},
		{section("127.0.0.2", one) + ofAll, "all", "one"},
		{ofAll, "all", "all"},
	} {
		b.write("checkinterval = 1\n" + step.text)
		if err := b.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		until(t, func() string {
			return fmt.Sprintf("with %s: %q and %q", strings.Fields(step.text), greeting("127.0.0.1:"+port), greeting("127.0.0.2:"+port))
		}, func(now string) bool { return strings.HasSuffix(now, fmt.Sprintf(": %q and %q", step.at1, step.at2)) })
	}
}

// greeting is what who listens at addr says first, "" if nobody does.
func greeting(addr string) string {
	c, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	text, _ := io.ReadAll(c)
	return string(text)
}
