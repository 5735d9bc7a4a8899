//go:build kernel

package ipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// tunnelEnds adds the links on which tunnelled packets arrive: IPv4 in IPv4,
// IPv6 in IPv4, and both in IPv6.
func tunnelEnds() error {
	v4, v6, err := addresses()
	if err != nil {
		return err
	}
	return addLinks(
		&netlink.Iptun{LinkAttrs: netlink.LinkAttrs{Name: "tun4"}, Local: v4.AsSlice()},
		&netlink.Sittun{LinkAttrs: netlink.LinkAttrs{Name: "sit"}, Local: v4.AsSlice()},
		&netlink.Ip6tnl{LinkAttrs: netlink.LinkAttrs{Name: "tun6"}, Local: v6.AsSlice()},
	)
}

// greEnds adds those of GRE, which takes both in both. A link takes packets
// with a checksum, or without.
func greEnds(flags uint16) func() error {
	return func() error {
		v4, v6, err := addresses()
		if err != nil {
			return err
		}
		return addLinks(
			&netlink.Gretun{LinkAttrs: netlink.LinkAttrs{Name: "wrap4"}, Local: v4.AsSlice(), IFlags: flags},
			&netlink.Gretun{LinkAttrs: netlink.LinkAttrs{Name: "wrap6"}, Local: v6.AsSlice(), IFlags: flags},
		)
	}
}

// gueEnds takes GUE on a UDP port; what is in it arrives on the links of IP in
// IP.
func gueEnds() error {
	if out, err := exec.Command("/usr/sbin/modprobe", "fou").CombinedOutput(); err != nil {
		return fmt.Errorf("modprobe fou: %w: %s", err, out)
	}
	return errors.Join(tunnelEnds(), takeGUE(unix.AF_INET), takeGUE(unix.AF_INET6))
}

const guePort = 6080

// takeGUE asks the kernel itself: the library sends an attribute with it that
// is refused.
func takeGUE(family uint8) error {
	id, err := netlink.FouFamilyId()
	if err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(id, unix.NLM_F_ACK)
	req.AddData(&nl.Genlmsg{Command: netlink.FOU_CMD_ADD, Version: 1})
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_PORT, nl.BEUint16Attr(guePort)))
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_TYPE, nl.Uint8Attr(netlink.FOU_ENCAP_GUE)))
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_AF, nl.Uint8Attr(family)))
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	return err
}

// addresses are those of the real server.
func addresses() (v4, v6 netip.Addr, err error) {
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return v4, v6, err
	}
	list, err := netlink.AddrList(eth0, netlink.FAMILY_ALL)
	for _, a := range list {
		switch addr, _ := netip.AddrFromSlice(a.IP); {
		case addr.Unmap().Is4():
			v4 = addr.Unmap()
		case addr.IsGlobalUnicast():
			v6 = addr
		}
	}
	return v4, v6, err
}

func addLinks(links ...netlink.Link) error {
	for _, l := range links {
		if err := netlink.LinkAdd(l); err != nil {
			return fmt.Errorf("add %s: %w", l.Attrs().Name, err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return fmt.Errorf("set %s up: %w", l.Attrs().Name, err)
		}
	}
	return nil
}

// TestTunnelOfAnotherFamily serves services from real servers of the other
// family, and then of both.
func TestTunnelOfAnotherFamily(t *testing.T) {
	s := newFixture(t, dataplane.IPIP)
	s.serve(t, "10.2.0.100:80", "[fd00:2::100]:80")
	d := s.open(t)
	for _, six := range []bool{false, true} {
		vip := map[bool]string{false: "10.2.0.100:80", true: "[fd00:2::100]:80"}[six]
		want := dataplane.VirtualService{ID: tcp(vip), Scheduler: "rr", RealServers: reals(dataplane.IPIP, !six, 80)}
		must(t, d.Apply(t.Context(), want))
		holds(t, d, want)
		if got := s.visits(t, vip, 6); got != "abcabc" {
			t.Errorf("%s: connections went to %s, want abcabc", vip, got)
		}
		want.RealServers = append(want.RealServers[1:], reals(dataplane.IPIP, six, 80)[0])
		must(t, d.Apply(t.Context(), want))
		holds(t, d, want)
		if got := s.visits(t, vip, 3); !strings.Contains(got, "a") || !strings.Contains(got, "b") || !strings.Contains(got, "c") {
			t.Errorf("%s, real servers of both families: connections went to %s, want each once", vip, got)
		}
		must(t, d.Remove(t.Context(), want.ID))
	}
}

// TestTunnelTypes serves both families through each type of tunnel to both,
// and looks at what comes out of the wire.
func TestTunnelTypes(t *testing.T) {
	for _, c := range []struct {
		ends    func() error
		tunnels []dataplane.Tunnel
	}{
		{greEnds(0), []dataplane.Tunnel{{Type: dataplane.TunnelGRE}}},
		{greEnds(nl.GRE_CSUM), []dataplane.Tunnel{{Type: dataplane.TunnelGRE, Checksum: dataplane.ChecksumYes}}},
		{gueEnds, []dataplane.Tunnel{
			{}, // from one type to another, and back
			{Type: dataplane.TunnelGUE, Port: guePort},
			{Type: dataplane.TunnelGUE, Port: guePort, Checksum: dataplane.ChecksumYes},
			{Type: dataplane.TunnelGUE, Port: guePort, Checksum: dataplane.ChecksumRemote},
			{},
		}},
	} {
		s := newFixture(t, dataplane.Gate)
		for _, r := range s.real {
			must(t, r.Do(c.ends))
			for _, link := range []string{"all", "wrap4", "tun4", "tun6"} {
				_ = r.Sysctl("net.ipv4.conf."+link+".rp_filter", "0") // not all are there
			}
		}
		s.serve(t, "10.2.0.100:80", "[fd00:2::100]:80")
		d := s.open(t)
		for _, vip := range []string{"10.2.0.100:80", "[fd00:2::100]:80"} {
			for _, six := range []bool{false, true} {
				for _, tunnel := range c.tunnels {
					t.Run(fmt.Sprintf("%v, %s, IPv6 %v", tunnel, vip, six), func(t *testing.T) {
						s.throughTunnel(t, d, tunnel, vip, six)
					})
				}
			}
			must(t, d.Remove(t.Context(), tcp(vip)))
		}
	}
}

// throughTunnel serves a service, which may exist, through a tunnel.
func (s *fixture) throughTunnel(t *testing.T, d *Dataplane, tunnel dataplane.Tunnel, vip string, six bool) {
	want := dataplane.VirtualService{ID: tcp(vip), Scheduler: "rr", RealServers: reals(dataplane.IPIP, six, 80)}
	for i := range want.RealServers {
		want.RealServers[i].Tunnel = tunnel
	}
	must(t, d.Apply(t.Context(), want))
	holds(t, d, want)
	tap := openTap(t, s.real[0])
	if got := s.visits(t, vip, 6); strings.Count(got, "a") != 2 || strings.Count(got, "b") != 2 || strings.Count(got, "c") != 2 {
		t.Errorf("connections went to %s, want each twice", got)
	}
	if diff := cmp.Diff(map[string]bool{wire(tunnel, vip): true}, tap.kinds(t)); diff != "" {
		t.Errorf("on the wire (-want +got):\n%s", diff)
	}

	successor := s.open(t)
	found, err := successor.Find(t.Context(), []dataplane.ServiceID{want.ID})
	must(t, err)
	if len(found) != 1 || len(found[0].RealServers) != 3 || found[0].RealServers[0].Tunnel != tunnel || found[0].RealServers[0].Forward != dataplane.IPIP {
		t.Errorf("a successor finds %+v", found)
	}
	must(t, successor.Apply(t.Context(), want))
	if n := successor.Writes(); n != 0 {
		t.Errorf("a successor writes %d times", n)
	}
}

// wire returns what a tap calls a tunnel.
func wire(tunnel dataplane.Tunnel, vip string) string {
	switch tunnel.Type {
	case dataplane.TunnelGRE:
		return fmt.Sprintf("gre checksum %v", tunnel.Checksum != dataplane.ChecksumNo)
	case dataplane.TunnelGUE:
		return fmt.Sprintf("udp to %d checksum %v", tunnel.Port, tunnel.Checksum != dataplane.ChecksumNo)
	}
	if strings.HasPrefix(vip, "[") {
		return "protocol 41"
	}
	return "protocol 4"
}

// A tap sees the packets of a machine's eth0.
type tap struct{ fd int }

func openTap(t *testing.T, in *netlab.Namespace) *tap {
	t.Helper()
	w := &tap{fd: -1}
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL<<8&0xff00
	must(t, in.Do(func() (err error) {
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all)
		if err != nil {
			return err
		}
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: eth0.Attrs().Index})
	}))
	t.Cleanup(func() { _ = unix.Close(w.fd) })
	return w
}

// kinds returns the kinds of packets that came for this machine's addresses,
// without ARP and neighbour discovery.
func (w *tap) kinds(t *testing.T) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	b := make([]byte, 4096)
	for {
		n, from, err := unix.Recvfrom(w.fd, b, 0)
		if errors.Is(err, unix.EAGAIN) {
			return seen
		}
		must(t, err)
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_HOST {
			if kind := outer(b[:n]); kind != "" {
				seen[kind] = true
			}
		}
	}
}

// outer names the outer headers of a packet, "" for ARP and ICMP.
func outer(b []byte) string {
	if len(b) < 40 {
		return ""
	}
	proto, inner := b[9], b[b[0]&0xf*4:]
	switch b[0] >> 4 {
	case 4:
	case 6:
		proto, inner = b[6], b[40:]
		if proto == unix.IPPROTO_DSTOPTS && len(inner) >= 8 {
			proto, inner = inner[0], inner[8+8*int(inner[1]):]
		}
	default:
		return ""
	}
	switch proto {
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		return ""
	case unix.IPPROTO_GRE:
		return fmt.Sprintf("gre checksum %v", inner[0]&0x80 != 0)
	case unix.IPPROTO_UDP:
		return fmt.Sprintf("udp to %d checksum %v", binary.BigEndian.Uint16(inner[2:]), inner[6] != 0 || inner[7] != 0)
	}
	return fmt.Sprintf("protocol %d", proto)
}
