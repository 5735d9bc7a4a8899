package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// pairFile is what variants are made of; nobody is checked, so that a service
// begins at once.
const pairFile = `%G
virtual=127.0.0.1:8001
	real=192.0.2.1:80 masq 2
	real=192.0.2.2:80 masq 1
	checktype=on
	%V
virtual=127.0.0.1:8002
	real=192.0.2.1:53 masq
	protocol=udp
	checktype=on
	%U
virtual=127.0.0.1:8003
	service=http
	checktype=connect
	fallback=sorry
	%S
`

// pairVariants have one directive more each: outside of sections (G), in the TCP
// service (V), the UDP service (U) or the one that has a sorry page alone (S). An
// arrow puts a text in another one's place.
var pairVariants = []string{
	"G ", "G maxconnections=100", "G maxflows=100", "G maxbuffers=1M", "G logfile=%D/log", "G emailalert=a@example.test",
	"G queuetimeout=7s", "G dataplane=proxy", "V dataplane=proxy", "G sorrystatus=200",
	"V scheduler=rr", "V scheduler=sh\n\tschedflags=sh-port", "V persistent=60", "V persistent=60\n\tnetmask=255.255.255.0", "U ops=yes", "U persistent=30",
	"masq 2 -> masq 5", "masq 2 -> masq 0", "masq 2 -> gate 2", "masq 2 -> masq 2 l:5 u:9", "masq 2 -> masq 2 m:7", "192.0.2.2:80 -> 192.0.2.3:80", "192.0.2.2:80 -> 192.0.2.2:81",
	"\treal=192.0.2.2:80 masq 1\n -> ", "V real=192.0.2.4:80 masq", "U real=192.0.2.4:53 masq",
	"V connecttimeout=3s", "V idletimeout=60s", "U idletimeout=9s", "V allow=192.0.2.0/24", "V deny=192.0.2.0/24", "V sourceconnections=5", "V sourcerate=5/1s",
	"V sourceconnections=5\n\tsourceprefix=24", "V maxconn=9", "V maxconn=9\n\tmaxqueue=9", "V queuetimeout=9s", "V keepalive=90", "V tcpusertimeout=9s", "V proxyprotocol=v2", "U proxyprotocol=v2",
	"V trustedproxies=192.0.2.0/24", "V transparent=yes", "V expirequiescent=yes", "V ondown=cut",
	"S sorrypage=%D/page.html", "S sorrypage=%D", "S sorrystatus=200", "service=http -> service=smtp", "service=http -> service=dns", "S servicename=shop", "S sorrytitle=The Shop",
	"S\nvirtual=10.99.0.1:8004\n\tinterface=lo\n\tchecktype=on", "S\nvirtual=10.99.0.2:8004\n\tinterface=lo\n\tchecktype=on",
	"S\nvirtual=127.0.0.1:8005\n\treal=192.0.2.1:80 masq\n\tchecktype=on", "127.0.0.1:8001 -> 127.0.0.1:8006",
}

func pairText(variant, dir string) string {
	text := pairFile
	if from, to, swap := strings.Cut(variant, " -> "); swap {
		text = strings.Replace(text, from, to, 1)
	} else {
		text = strings.Replace(text, "%"+variant[:1], strings.TrimPrefix(variant[1:], " "), 1)
	}
	return strings.NewReplacer("%G", "", "%V", "", "%U", "", "%S", "", "%D", dir).Replace(text)
}

// Reloading from any variant to any other leaves the real proxy, its limits, the
// sorry server, addresses and rules of the host as starting with the other does.
func TestReloadLeavesWhatAStartDoes(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	dir := t.TempDir()
	for _, page := range []string{"page.html", "index.html"} {
		if err := os.WriteFile(filepath.Join(dir, page), []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "test.cf")
	begin := func(variant string) *Daemon {
		t.Helper()
		write(t, file, pairText(variant, dir))
		d := New(Options{Config: file, Dataplane: "proxy", LogFormat: "text", LogLevel: slog.LevelError + 4})
		if err := d.Start(t.Context()); err != nil {
			t.Fatalf("%q: %v", variant, err)
		}
		return d
	}
	end := func(d *Daemon) {
		t.Helper()
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
	want := map[string][]string{}
	for _, v := range pairVariants {
		d := begin(v)
		want[v] = d.facts(t)
		end(d)
	}
	d := begin(pairVariants[0])
	defer end(d)
	differ, now := 0, pairVariants[0]
	reload := func(to string) {
		t.Helper()
		write(t, file, pairText(to, dir))
		if err := d.Reload(t.Context()); err != nil {
			t.Fatalf("%q: %v", to, err)
		}
		if diff := cmp.Diff(want[to], d.facts(t)); diff != "" {
			if differ++; differ <= 5 {
				t.Errorf("from %q to %q:\n%s", now, to, diff)
			}
		}
		now = to
	}
	for i, a := range pairVariants {
		for _, b := range pairVariants[i+1:] { // there and back: every ordered pair
			reload(a)
			reload(b)
		}
		reload(a)
	}
	if differ > 0 {
		t.Errorf("%d reloads differ", differ)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// facts are what can be seen of a daemon from outside once it is ready.
func (d *Daemon) facts(t *testing.T) (facts []string) {
	t.Helper()
	wait.For(t, "the director is ready", func() (string, bool) {
		s, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Unready, s.Ready
	})
	served, err := d.plane.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range served {
		facts = append(facts, fmt.Sprintf("%+v", s.Service), d.sorryAnswer(t, s.Service.ID.String()))
	}
	load := d.plane.proxy.Load()
	facts = append(facts, fmt.Sprint(load.Connections.Limit, load.Flows.Limit, load.Buffers.Limit), fmt.Sprint("sorry server for ", len(d.sites)))
	facts = append(facts, fmt.Sprint("named dataplanes ", d.plane.Routes()))
	return append(facts, hostFacts(t)...)
}

// sorryAnswer returns the answer of the sorry server for a service.
func (d *Daemon) sorryAnswer(t *testing.T, service string) string {
	t.Helper()
	if !d.sites[service] {
		return "nothing"
	}
	if strings.HasPrefix(service, "udp") {
		return fmt.Sprintf("%q", d.sorry.Answer(service, make([]byte, 12)))
	}
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.sorry.ServeConn(service, there)
	}()
	_ = here.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(here, "GET / HTTP/1.0\r\n\r\n") }()
	text, _ := io.ReadAll(here)
	here.Close()
	<-done
	lines := strings.Split(string(text), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Date:") }), "\n")
}

// hostFacts are the addresses and rules of the host.
func hostFacts(t *testing.T) (facts []string) {
	t.Helper()
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		facts = append(facts, "address "+a.IPNet.String())
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		rules, err := netlink.RuleList(family)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			facts = append(facts, "rule "+r.String())
		}
	}
	slices.Sort(facts)
	return facts
}
