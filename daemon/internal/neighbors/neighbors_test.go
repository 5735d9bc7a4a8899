package neighbors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A lan is this namespace as the director, with the VIP, two real servers, and a
// machine that is none.
type lan struct {
	t                *testing.T
	rs1, rs2, other  *netlab.Namespace
	vip              netip.Addr
	said             []director.Warning
	watch            *Watch
	rs1Addr, rs2Addr string
	conf             *config.Config
	log              bytes.Buffer
}

func newLAN(t *testing.T, prefix string, bits int, text string) *lan {
	t.Helper()
	l := &lan{t: t, vip: netip.MustParseAddr(prefix + "100"), rs1Addr: prefix + "2", rs2Addr: prefix + "3"}
	lab := netlab.Test(t)
	here, err := lab.Here("director")
	l.must(err)
	machines := []*netlab.Namespace{here}
	for _, name := range []string{"rs1", "rs2", "other"} {
		n, err := lab.Namespace(name)
		l.must(err)
		machines = append(machines, n)
	}
	l.rs1, l.rs2, l.other = machines[1], machines[2], machines[3]
	var ends []netlab.End
	for i, n := range machines {
		ends = append(ends, netlab.End{In: n, Link: "eth0", Addrs: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(fmt.Sprint(prefix, i+1)), bits)}})
	}
	_, err = lab.Bridge("lan", ends...)
	l.must(errors.Join(err, here.AddVIP("eth0", l.vip)))
	for i, n := range []*netlab.Namespace{l.rs1, l.rs2} { // as checks do
		ln, err := n.Listen("tcp", netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprint(prefix, i+2)), 80).String())
		l.must(err)
		c, err := here.Dial(t.Context(), "tcp", ln.Addr().String())
		l.must(err)
		_, _ = c.Close(), ln.Close()
	}
	text = strings.NewReplacer("%VIP%", l.vip.String(), "%RS1%", l.rs1Addr, "%RS2%", l.rs2Addr).Replace(text)
	l.conf, err = config.Parse(t.Context(), "test.cf", []byte(text), config.Options{})
	l.must(err)
	l.watch = &Watch{
		Log: slog.New(slog.NewTextHandler(&l.log, nil)), InKernel: func(*config.Virtual) bool { return true }, Conf: func() *config.Config { return l.conf },
		Tell: func(_ context.Context, all []director.Warning) error { l.said = all; return nil },
	}
	return l
}

func (l *lan) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// expect looks once, and wants warnings about the first service: words, and the
// server that they are about.
func (l *lan) expect(event string, want ...[2]string) {
	l.t.Helper()
	l.watch.look(l.t.Context())
	var got [][2]string
	for _, w := range l.said {
		server := ""
		if w.Server.IsValid() {
			server = w.Server.Addr().String()
		}
		got = append(got, [2]string{server, w.Text})
	}
	ok := len(got) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = got[i][0] == want[i][0] && strings.Contains(got[i][1], want[i][1])
	}
	if !ok {
		l.t.Errorf("%s: warnings %q, want %q", event, got, want)
	}
	if l.log.Len() > 0 {
		l.t.Errorf("%s: the log has %s", event, &l.log)
	}
}

func macOf(t *testing.T, n *netlab.Namespace) (mac string) {
	t.Helper()
	err := n.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err == nil {
			mac = link.Attrs().HardwareAddr.String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

const lanCF = `checkpath=vip
virtual=%VIP%:80
	real=%RS1%:80 gate
	real=%RS2%:80 gate
	service=http
virtual=%VIP%:53
	real=%RS1%:53 gate
	protocol=udp
	checktype=ping
`

// A real server that answers ARP for the VIP is named at all services that have it,
// with what to type; another machine by its MAC, at the service.
func TestARPIsWatched(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	l := newLAN(t, "10.16.0.", 24, lanCF)
	l.expect("nobody else has the VIP")
	l.must(errors.Join(l.rs1.AddVIP("lo", l.vip), l.rs2.AddVIP("lo", l.vip), l.rs2.Sysctl("net.ipv4.conf.all.arp_ignore", "1")))
	at := "claims 10.16.0.100 on eth0 by ARP, as " + macOf(t, l.rs1) + ": packets of clients go there, past the director; on it: sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"
	l.expect("rs1 answers", [2]string{l.rs1Addr, at}, [2]string{l.rs1Addr, at})
	l.must(l.rs1.Sysctl("net.ipv4.conf.all.arp_ignore", "1"))
	l.expect("rs1 is as it should be")
	l.must(l.other.AddVIP("lo", l.vip))
	who := "another machine claims 10.16.0.100 on eth0 by ARP, as " + macOf(t, l.other)
	l.expect("a machine that is none of them", [2]string{"", who}, [2]string{"", who})
	c, err := l.other.Listen("tcp", "10.16.0.4:0")
	l.must(err)
	defer c.Close()
	l.conf.Virtuals = l.conf.Virtuals[:1]
	here, err := netlab.Test(t).Here("director")
	l.must(err)
	conn, err := here.Dial(t.Context(), "tcp", c.Addr().String())
	l.must(err)
	_ = conn.Close()
	l.expect("one that is known", [2]string{"", "another machine, 10.16.0.4, claims"})
	l.must(here.DelAddr("eth0", netip.PrefixFrom(l.vip, 32)))
	l.expect("this host has no VIP: the other is the director")
	l.must(l.rs1.Sysctl("net.ipv4.conf.all.arp_ignore", "0"))
	l.expect("and a real server answers as well", [2]string{l.rs1Addr, "it claims"})
	l.conf.Virtuals[0].CheckPath = ""
	l.expect("without checkpath=vip")
	l.conf.Virtuals[0].CheckPath = config.CheckPathVIP
	l.conf.Virtuals[0].Reals = slices.DeleteFunc(l.conf.Virtuals[0].Reals, hasVIP)
	l.expect("without real servers that have the VIP")
}

func TestNeighbourDiscoveryIsWatched(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	l := newLAN(t, "fd16::", 64, `checkpath=vip
virtual6=[%VIP%]:80
	real6=[%RS1%]:80 ipip
	real6=[%RS2%]:80 ipip
	service=http
`)
	l.must(l.rs2.AddVIP("lo", l.vip))
	l.expect("the VIP on lo")
	l.must(l.rs1.AddVIP("eth0", l.vip))
	l.expect("rs1 answers", [2]string{l.rs1Addr, "it claims fd16::100 on eth0 by neighbour discovery, as " + macOf(t, l.rs1) +
		": packets of clients go there, past the director; on it: the address on lo alone; shunt realserver check --vip fd16::100 --forward ipip names what is missing"})
	l.must(l.rs1.DelAddr("eth0", netip.PrefixFrom(l.vip, 128)))
	l.expect("rs1 is as it should be")

	link, err := netlink.LinkByName("eth0")
	l.must(err)
	all, err := netlink.AddrList(link, netlink.FAMILY_V6)
	l.must(err)
	for _, a := range all {
		if a.IP.IsLinkLocalUnicast() {
			l.must(netlink.AddrDel(link, &a))
		}
	}
	for range 2 {
		l.watch.look(t.Context())
	}
	if got := l.log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "the link has no link-local address") {
		t.Errorf("without a link-local address the log has %q, want one line of it", got)
	}
}
