package outcomes

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// TestMachine tests what a machine promises to the tests in it.
func TestMachine(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"testdata": testdata, "modprobe": modprobe, "autoload": autoload, "network": network,
		"nftables": nftables, "loopback": loopback, "environment": environment, "stdin": stdin,
		"descriptors": descriptors, "host files": hostFiles,
	} {
		t.Run(name, test)
	}
}

func testdata(t *testing.T) {
	if got, err := os.ReadFile("testdata/file"); err != nil || string(got) != "packed\n" {
		t.Errorf("testdata/file holds %q, %v", got, err)
	}
}

func modprobe(t *testing.T) {
	if out, err := exec.Command("modprobe", "-va", "ip_vs", "ip-vs-wrr").CombinedOutput(); err != nil {
		t.Fatalf("modprobe: %v: %s", err, out)
	}
	loaded, err := os.ReadFile("/proc/modules")
	if err != nil || !strings.Contains(string(loaded), "ip_vs_wrr ") {
		t.Errorf("loaded: %s, %v", loaded, err)
	}
	out, err := exec.Command("modprobe", "no_such_module").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no such module") {
		t.Errorf("modprobe of no module: %v: %s", err, out)
	}
	if out, err := exec.Command("modprobe", "-q", "no_such_module").CombinedOutput(); err == nil || len(out) > 0 {
		t.Errorf("quiet modprobe of no module: %v: %s", err, out)
	}
	if out, err := exec.Command("modprobe", "binfmt_script").CombinedOutput(); err != nil {
		t.Errorf("modprobe of what is built in: %v: %s", err, out)
	}
	if out, err := exec.Command("modprobe", "tun", "no_such_parameter=1").CombinedOutput(); err != nil {
		t.Errorf("modprobe with a parameter: %v: %s", err, out)
	}
}

// autoload makes the kernel itself ask for a module.
func autoload(t *testing.T) {
	err := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "made"}})
	if err != nil {
		t.Error(err)
	}
}

// network joins two namespaces with a veth pair and sends something across.
func network(t *testing.T) {
	lab := netlab.Test(t)
	server, client := namespace(t, lab, "server"), namespace(t, lab, "client")
	err := lab.Connect(
		netlab.End{In: server, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}},
		netlab.End{In: client, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}},
	)
	if err != nil {
		t.Fatal(err)
	}
	l, err := server.Listen("tcp", "10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := client.Dial(t.Context(), "tcp", "10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func namespace(t *testing.T, lab *netlab.Lab, name string) *netlab.Namespace {
	t.Helper()
	n, err := lab.Namespace(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// nftables asks for the generation of the rules, which loads nf_tables.
func nftables(t *testing.T) {
	const getGeneration = 10<<8 | 16 // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN
	req := nl.NewNetlinkRequest(getGeneration, 0)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC})
	if _, err := req.Execute(unix.NETLINK_NETFILTER, 0); err != nil {
		t.Error(err)
	}
}

func loopback(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Error(err)
			continue
		}
		l.Close()
	}
	if port, err := net.LookupPort("tcp", "https"); err != nil || port != 443 {
		t.Errorf("https is port %d, %v", port, err)
	}
}

func environment(t *testing.T) {
	if got := os.Getenv("SENT"); got != "as asked" {
		t.Errorf("SENT=%s", got)
	}
	if name, err := os.Hostname(); err != nil || name != "kernelvm" {
		t.Errorf("host %s, %v", name, err)
	}
}

func stdin(t *testing.T) {
	if got, err := io.ReadAll(os.Stdin); err != nil || len(got) > 0 {
		t.Errorf("stdin has %q, %v", got, err)
	}
}

func descriptors(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Max < 1<<20 {
		t.Errorf("limit %v, %v", limit, err)
	}
}

// hostFiles looks for what the flags -tree and -file brought.
func hostFiles(t *testing.T) {
	for name, want := range map[string]string{"/opt/tree/file": "in a tree", "/etc/one": "alone"} {
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, []byte(want)) {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
}
