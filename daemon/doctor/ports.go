package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// ports says which addresses and ports of services on the proxy other programs have.
func ports(_ context.Context, s *Subject) (all []Finding) {
	for i := range s.Conf.Virtuals {
		v := &s.Conf.Virtuals[i]
		if s.InKernel(v) || v.ID.Protocol == dataplane.FWMark {
			continue
		}
		if s.Process == 0 {
			err := bindable(v.ID)
			if err == nil || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EACCES) {
				continue // addresses or rights tells of it
			}
			if !errors.Is(err, unix.EADDRINUSE) {
				all = append(all, unknown(v.ID.String(), err))
				continue
			}
		}
		who, other, err := s.listener(v.ID)
		switch {
		case err != nil:
			all = append(all, unknown("who listens on "+v.ID.String(), err))
		case other || s.Process == 0:
			all = append(all, found(portTaken, v.Pos, "%s listens on %s, or on its port of all addresses", who, v.ID.Addr).
				breaks("the proxy cannot serve %s", v.ID).mend("ss -lnp 'sport = :%d' shows it: stop it, or let it listen on another address", v.ID.Addr.Port()))
		}
	}
	return all
}

// bindable returns why nobody could listen on a service now. It takes no
// connection.
func bindable(id dataplane.ServiceID) error {
	kind := unix.SOCK_STREAM
	if id.Protocol == dataplane.UDP {
		kind = unix.SOCK_DGRAM
	}
	a := id.Addr.Addr()
	family, level, free := unix.AF_INET, unix.SOL_IP, unix.IP_FREEBIND
	var at unix.Sockaddr = &unix.SockaddrInet4{Port: int(id.Addr.Port()), Addr: as4(a)}
	if a.Is6() {
		family, level, free = unix.AF_INET6, unix.SOL_IPV6, unix.IPV6_FREEBIND
		at = &unix.SockaddrInet6{Port: int(id.Addr.Port()), Addr: a.As16()}
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptInt(fd, level, free, 1) // the address may come with shunt
	if kind == unix.SOCK_STREAM {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // as listeners do
	}
	return unix.Bind(fd, at)
}

// The states of sockets that listen, in tcp_states.h: of TCP, and of UDP.
const (
	listening   = 10
	unconnected = 7
)

// listener names the program that listens on a service or its port, and reports
// whether it is another one than the shunt that is examined.
func (s *Subject) listener(id dataplane.ServiceID) (who string, other bool, err error) {
	list, state := netlink.SocketDiagTCP, uint8(listening)
	if id.Protocol == dataplane.UDP {
		list, state = netlink.SocketDiagUDP, unconnected
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := list(family)
		if err != nil {
			return "", false, err
		}
		for _, k := range sockets {
			at, ok := netip.AddrFromSlice(k.ID.Source)
			at = at.Unmap()
			if !ok || k.State != state || k.ID.SourcePort != id.Addr.Port() || at != id.Addr.Addr().Unmap() && !at.IsUnspecified() {
				continue
			}
			pid, name := owner(k.INode)
			if pid == s.Process && pid != 0 {
				continue
			}
			if s.Process != 0 && (pid == 0 || at.IsUnspecified()) {
				continue // it may be shunt's own, or of another family
			}
			if pid == 0 {
				return fmt.Sprintf("a program of user %d", k.UID), true, nil
			}
			return fmt.Sprintf("%s (process %d)", name, pid), true, nil
		}
	}
	return "another program", false, nil
}

// owner returns the process that has a socket, 0 if it is not found.
func owner(inode uint32) (pid int, name string) {
	want := fmt.Sprintf("socket:[%d]", inode)
	dirs, _ := filepath.Glob("/proc/[0-9]*/fd")
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // another user's, or it has ended
		}
		for _, e := range entries {
			if to, err := os.Readlink(filepath.Join(dir, e.Name())); err != nil || to != want {
				continue
			}
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
			return pid, command(pid)
		}
	}
	return 0, ""
}

// command returns the name of a process, as ps shows it.
func command(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "a program"
	}
	return strings.TrimSpace(string(name))
}

// localPorts says whether the proxy has enough ports for its own connections.
func localPorts(_ context.Context, s *Subject) (all []Finding) {
	if !s.anyOnProxy() {
		return nil
	}
	servers := s.proxied()
	flows, ports := flowPorts()
	g := &s.Conf.Global
	wide := `sysctl -w net.ipv4.ip_local_port_range="1024 65535"`
	if o := g.Origins["maxconnections"]; len(servers) > 0 && o.Pos.Line > 0 && ports*len(servers) < g.MaxConnections {
		all = append(all, found(localPortsFew, o.Pos, "the proxy may have %d connections, and its %d real servers as %d local ports allow have %d",
			g.MaxConnections, len(servers), ports, ports*len(servers)).
			breaks("beyond that clients are refused").mend("%s; or more real servers, by address or port", wide))
	} else if o := g.Origins["maxflows"]; o.Pos.Line > 0 && flows < g.MaxFlows {
		all = append(all, found(localPortsFew, o.Pos, "the proxy may have %d flows, and local ports for %d", g.MaxFlows, flows).
			breaks("beyond that new flows take the place of others").mend("%s", wide))
	} else if ports < fewPorts {
		all = append(all, found(localPortsFew, config.Pos{}, "this host has %d local ports (net.ipv4.ip_local_port_range), the kernel's default is 28232", ports).
			breaks("a real server gets no more connections from the proxy than that, those that have ended within the last minute included").mend("%s", wide))
	}
	if reuse, err := s.Settings.Get("net.ipv4.tcp_tw_reuse"); err == nil && reuse == "0" && len(servers) > 0 {
		all = append(all, found(twReuse, config.Pos{}, "net.ipv4.tcp_tw_reuse is 0").
			breaks("a local port is not used again for a minute: a real server gets at most %d connections a second from the proxy", ports/60).
			fixed(s.set("net.ipv4.tcp_tw_reuse", "1")))
	}
	return all
}

// fewPorts is a number of local ports that is small for any proxy.
const fewPorts = 16 << 10

// proxied returns the addresses and ports that the proxy connects to by TCP.
func (s *Subject) proxied() map[netip.AddrPort]bool {
	all := map[netip.AddrPort]bool{}
	for i := range s.Conf.Virtuals {
		v := &s.Conf.Virtuals[i]
		if s.InKernel(v) || v.ID.Protocol != dataplane.TCP {
			continue
		}
		for _, r := range v.Reals {
			all[v.ID.Mapped(r.Addr, r.Forward)] = true
		}
	}
	return all
}
