package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// settings are those that a measurement needs of every machine. Some exist
// once for the whole kernel, and then have no place in a namespace.
var settings = [][2]string{
	// With pacing, as bbr has it, the pacing would be measured.
	{"net.ipv4.tcp_congestion_control", "reno"},
	// A client that came from the port of a service would keep that from its
	// director, which may start later.
	{"net.ipv4.ip_local_port_range", "10240 65535"},
	// Ports that wait make the search for a free one longer from second to
	// second; rounds would not be alike.
	{"net.ipv4.tcp_max_tw_buckets", "2000"},
	{"net.ipv4.tcp_tw_reuse", "1"},
	{"net.core.somaxconn", "32768"},
	{"net.ipv4.tcp_max_syn_backlog", "32768"},
	{"net.ipv4.tcp_fin_timeout", "5"},
	// A round must not begin with the path metrics of the round before.
	{"net.ipv4.tcp_no_metrics_save", "1"},
	// Thousands of real servers are thousands of neighbours.
	{"net.ipv4.neigh.default.gc_thresh1", "16384"},
	{"net.ipv4.neigh.default.gc_thresh2", "32768"},
	{"net.ipv4.neigh.default.gc_thresh3", "65536"},
}

// tune makes all machines alike, and makes each handle its packets on its own
// processors.
func (l *Lab) tune() error {
	for _, m := range l.all() {
		for _, s := range settings {
			if err := m.Sysctl(s[0], s[1]); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
		if err := m.Do(func() error { return l.links(m) }); err != nil {
			return fmt.Errorf("tune the links of %s: %w", m, err)
		}
	}
	return nil
}

// all returns every machine once.
func (l *Lab) all() []*netlab.Namespace {
	if l.Topology == Loopback {
		return []*netlab.Namespace{l.Director}
	}
	return append([]*netlab.Namespace{l.Client, l.Director}, l.Real...)
}

// links sets the MTU and steers received packets. It runs inside of m, on a
// thread that ends with it, since the thread sees other files than the process.
func (l *Lab) links(m *netlab.Namespace) error {
	own := l.Processors.Others
	if m == l.Director {
		own = l.Processors.Director
	}
	names, err := l.mtu()
	if err != nil || len(own) == 0 {
		return err
	}
	runtime.LockOSThread()
	if err := ownSys(); err != nil {
		l.Limits = []string{"Packets could not be steered to the processors of the machine they are for (" + err.Error() + "): the director's are handled on others as well."}
		return nil
	}
	for _, name := range names {
		err := os.WriteFile("/sys/class/net/"+name+"/queues/rx-0/rps_cpus", []byte(mask(own)), 0)
		if err != nil {
			return err
		}
	}
	return nil
}

// mtu sets it on all links between machines, and returns their names.
func (l *Lab) mtu() (names []string, err error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		if link.Type() != "veth" {
			continue
		}
		names = append(names, link.Attrs().Name)
		if l.MTU == 0 {
			continue
		}
		if err := netlink.LinkSetMTU(link, l.MTU); err != nil {
			return nil, fmt.Errorf("MTU %d: %w", l.MTU, err)
		}
	}
	return names, nil
}

// ownSys gives the calling thread a /sys that shows its network namespace.
func ownSys() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("have files of its own: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("keep mounts to itself: %w", err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("mount /sys: %w", err)
	}
	return nil
}

// mask returns processors as the kernel's files have them, in hexadecimal with
// a comma between words of 32.
func mask(processors []int) string {
	var words []uint32
	for _, p := range processors {
		for len(words) <= p/32 {
			words = append(words, 0)
		}
		words[p/32] |= 1 << (p % 32)
	}
	text := []string{fmt.Sprintf("%x", words[len(words)-1])}
	for _, w := range slices.Backward(words[:len(words)-1]) {
		text = append(text, fmt.Sprintf("%08x", w))
	}
	return strings.Join(text, ",")
}
