// Package outcomes has tests that end in every way a test can end, to be run
// in a virtual machine, one at a time.
package outcomes

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/internal/netlab"
)

func covered() string { return "covered" }

func TestPass(t *testing.T) { t.Log(covered()) }

func TestFatal(t *testing.T) { t.Fatal("as it should") }

func TestPanic(*testing.T) { panic("as it should") }

func TestExit(*testing.T) { os.Exit(3) }

func TestHang(*testing.T) { select {} }

func TestCrash(t *testing.T) {
	t.Log(os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0))
}

// TestFlood writes 2 MiB, in lines of 64 bytes that are numbered.
func TestFlood(*testing.T) {
	var b bytes.Buffer
	for i := range 2 << 20 / 64 {
		fmt.Fprintf(&b, "%063d\n", i)
	}
	io.Copy(os.Stdout, &b)
}

// TestMachine tests what a machine promises to the tests in it.
func TestMachine(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"testdata": testdata, "modprobe": modprobe, "autoload": autoload, "network": network,
		"loopback": loopback, "environment": environment, "stdin": stdin,
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
}

// autoload has the kernel itself ask for a module.
func autoload(t *testing.T) {
	err := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "made"}})
	if err != nil {
		t.Error(err)
	}
}

// network joins two namespaces with a veth pair and sends something across.
func network(t *testing.T) {
	lab := netlab.Test(t)
	_ = lab
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
	if got := os.Getenv("VMRUN_SENT"); got != "as asked" {
		t.Errorf("VMRUN_SENT=%s", got)
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
