//go:build kernel

package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/ipvs"
)

// A machine is this virtual machine as a director that is well, with two real
// servers on its link, and one behind another.
type machine struct {
	t             *testing.T
	rs1, rs2, far *netlab.Namespace
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t}
	lab := netlab.Test(t)
	here, err := lab.Here("director")
	m.must(err)
	ends := []netlab.End{{In: here, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}}
	for i, n := range []**netlab.Namespace{&m.rs1, &m.rs2, &m.far} {
		*n, err = lab.Namespace(fmt.Sprintf("rs%d", i+1))
		m.must(err)
	}
	for i, n := range []*netlab.Namespace{m.rs1, m.rs2} {
		ends = append(ends, netlab.End{In: n, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", i+2))}})
	}
	_, err = lab.Bridge("lan", ends...)
	m.must(err)
	m.must(lab.Connect(
		netlab.End{In: here, Link: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.1/24")}},
		netlab.End{In: m.far, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.2/24")}},
	))
	m.must(here.AddVIP("eth0", netip.MustParseAddr("10.0.0.100")))
	for _, n := range []*netlab.Namespace{m.rs1, m.rs2, m.far} {
		ln, err := n.Listen("tcp", "0.0.0.0:80")
		m.must(err)
		t.Cleanup(func() { _ = ln.Close() })
		go netlab.Discard(ln)
	}
	l, err := netlink.LinkByName("eth1")
	m.must(err)
	m.must(netlink.LinkSetMTU(l, 1520))
	m.must(m.far.Do(func() error {
		l, err := netlink.LinkByName("eth0")
		if err == nil {
			err = netlink.LinkSetMTU(l, 1520)
		}
		return err
	}))
	for name, value := range map[string]string{
		"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.send_redirects": "0", "net.ipv4.conf.eth0.send_redirects": "0",
	} {
		m.set(name, value)
	}
	p, err := ipvs.New(ipvs.Options{}) // loads the module
	m.must(err)
	m.must(p.Close())
	for name, value := range map[string]string{
		"net.ipv4.vs.expire_nodest_conn": "1", "net.ipv4.vs.conn_reuse_mode": "3", "net.ipv4.vs.expire_quiescent_template": "1",
	} {
		m.set(name, value)
	}
	return m
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// set sets a setting, and returns what sets it back.
func (m *machine) set(name, value string) func() {
	m.t.Helper()
	old, err := sysctl.System.Get(name)
	m.must(err)
	m.must(sysctl.System.Set(name, value))
	return func() { m.must(sysctl.System.Set(name, old)) }
}

// examine returns the codes above notes that are found with a file.
func (m *machine) examine(text string) ([]Code, Report) {
	m.t.Helper()
	in, err := daemon.Inspect(m.t.Context(), config.NewSource(filepath.Join(m.t.TempDir(), "shunt.cf"), []byte(text)), "auto")
	m.must(err)
	r := Examine(m.t.Context(), &Subject{Inspection: in, Settings: sysctl.System})
	list := []Code{}
	for _, f := range r.Findings {
		if f.Severity != Note {
			list = append(list, f.Code)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), r
}

const machineCF = `tcptimeout=7500
virtual=10.0.0.100:80
	real=10.0.0.2:80 masq
	real=10.0.0.3:80 masq
	checktype=connect
`

// On a director with IPVS nothing above a note is said while it is well, and each
// fault of its kernel is found alone.
func TestDoctorOnIPVS(t *testing.T) {
	m := newMachine(t)
	gate := strings.ReplaceAll(machineCF, "masq", "gate")
	defer m.modules("wlc", "wrr")()()
	tunnel := strings.NewReplacer("10.0.0.2:80 masq", "10.2.0.2:80 ipip", "\treal=10.0.0.3:80 masq\n", "").Replace(machineCF)
	persistent := machineCF + "\tpersistent=60\n\tquiescent=yes\n"
	onProxy := machineCF + "\tdataplane=proxy\n"
	for _, tt := range []struct {
		name  string
		plant func() func()
		text  string
		want  string
	}{
		{"masq", nil, machineCF, ""},
		{"gate", nil, gate, ""},
		{"tunnel", nil, tunnel, ""},
		{"persistent", nil, persistent, ""},
		{"mh", m.modules("wlc", "wrr", "mh"), machineCF + "\tscheduler=mh\n", ""},
		{"ip_forward=0", m.setting("net.ipv4.ip_forward", "0"), machineCF, "forwarding-off"},
		{"expire_nodest_conn=0", m.setting("net.ipv4.vs.expire_nodest_conn", "0"), machineCF, "expire-nodest-conn"},
		{"conn_reuse_mode=0", m.setting("net.ipv4.vs.conn_reuse_mode", "0"), machineCF, "conn-reuse-mode"},
		{"conn_reuse_mode=1 with gate", m.setting("net.ipv4.vs.conn_reuse_mode", "1"), gate, "conn-reuse-mode"},
		{"expire_quiescent_template=0", m.setting("net.ipv4.vs.expire_quiescent_template", "0"), persistent, "expire-quiescent-template"},
		{"timeouts of the kernel", nil, strings.Replace(machineCF, "tcptimeout=7500\n", "", 1), "ipvs-timeout"},
		{"a scheduler without a module", m.modules("wlc", "wrr"), machineCF + "\tscheduler=mh\n", "scheduler-missing"},
		{"few tracked connections", m.setting(conntrackMax, "1000"), strings.Replace(onProxy, "tcptimeout=7500", "maxconnections=1000", 1), "conntrack-small"},
		{"a service that is not in the file", m.service("10.0.0.100:443"), machineCF, "foreign-service"},
		{"a service of the proxy in the kernel", m.service("10.0.0.100:80"), strings.Replace(onProxy, "tcptimeout=7500\n", "", 1), "ipvs-in-the-way"},
		{"a certificate before its time", nil, machineCF + m.early(), "check-certificate clock-certificates"},
		{"and well again", nil, machineCF, ""},
	} {
		undo := func() {}
		if tt.plant != nil {
			undo = tt.plant()
		}
		want := []Code{}
		for c := range strings.FieldsSeq(tt.want) {
			want = append(want, Code(c))
		}
		got, r := m.examine(tt.text)
		if i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Code == notExamined }); i >= 0 {
			t.Errorf("%s: %s", tt.name, r.Findings[i].What)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: -want +got:\n%s\nof %+v", tt.name, cmp.Diff(want, got), r.Findings)
		}
		undo()
	}
}

func (m *machine) setting(name, value string) func() func() {
	return func() func() { return m.set(name, value) }
}

// modules makes these schedulers all whose modules are installed. The machine has
// no list of modules, and has loaded none of mh.
func (m *machine) modules(schedulers ...string) func() func() {
	return func() func() {
		m.t.Helper()
		old := installedModules
		release, err := kernelRelease()
		m.must(err)
		installedModules = m.t.TempDir()
		var list strings.Builder
		for _, s := range schedulers {
			fmt.Fprintf(&list, "kernel/net/netfilter/ipvs/ip_vs_%s.ko: kernel/net/netfilter/ipvs/ip_vs.ko\n", s)
		}
		m.must(os.MkdirAll(filepath.Join(installedModules, release), 0o700))
		m.must(os.WriteFile(filepath.Join(installedModules, release, "modules.dep"), []byte(list.String()), 0o600))
		return func() { installedModules = old }
	}
}

// service puts a service into the kernel's table, as another program does.
func (m *machine) service(at string) func() func() {
	return func() func() {
		m.t.Helper()
		p, err := ipvs.New(ipvs.Options{})
		m.must(err)
		id := dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort(at)}
		m.must(p.Apply(m.t.Context(), dataplane.VirtualService{ID: id, Scheduler: "rr"}))
		return func() {
			m.must(p.Remove(context.WithoutCancel(m.t.Context()), id))
			m.must(p.Close())
		}
	}
}

// early gives the first real server a service over TLS whose certificate is valid
// tomorrow, and returns the section for it. Nothing keeps the clock of the machine.
func (m *machine) early() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	m.must(err)
	model := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(10, 0, 0, 2)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, model, model, key.Public(), key)
	m.must(err)
	ln, err := m.rs1.Listen("tcp", "0.0.0.0:443")
	m.must(err)
	m.t.Cleanup(func() { _ = ln.Close() })
	go netlab.Discard(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}))
	roots := filepath.Join(m.t.TempDir(), "roots.pem")
	m.must(os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return "virtual=10.0.0.100:443\n\treal=10.0.0.2:443 masq\n\tservice=https\n\tverify=" + roots + "\n"
}
