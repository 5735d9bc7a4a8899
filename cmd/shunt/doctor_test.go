package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

const doctorVIP = "10.0.0.100"

// A ward is a director with its VIP, two real servers and another machine on a link.
type ward struct {
	t                         *testing.T
	lab                       *netlab.Lab
	director, rs1, rs2, other *netlab.Namespace
	listeners                 []net.Listener // of rs1 and rs2, port 80
	dir                       string
	wrap                      []string // what the command line begins with
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{t: t, lab: netlab.Test(t), dir: t.TempDir()}
	var ends []netlab.End
	for i, n := range []**netlab.Namespace{&w.director, &w.rs1, &w.rs2, &w.other} {
		var err error
		*n, err = w.lab.Namespace([]string{"director", "rs1", "rs2", "other"}[i])
		w.must(err)
		ends = append(ends, netlab.End{In: *n, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", i+1))}})
	}
	_, err := w.lab.Bridge("lan", ends...)
	w.must(err)
	w.must(w.director.AddVIP("eth0", netip.MustParseAddr(doctorVIP)))
	w.must(w.director.Sysctl("net.ipv4.ip_forward", "1"))
	w.must(w.director.Sysctl("net.ipv4.conf.all.send_redirects", "0"))
	w.must(w.director.Sysctl("net.ipv4.conf.eth0.send_redirects", "0"))
	for _, n := range []*netlab.Namespace{w.rs1, w.rs2} {
		w.listeners = append(w.listeners, w.listen(n, "0.0.0.0:80"))
	}
	return w
}

func (w *ward) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// listen accepts connections, and answers nothing.
func (w *ward) listen(n *netlab.Namespace, at string) net.Listener {
	w.t.Helper()
	ln, err := n.Listen("tcp", at)
	w.must(err)
	w.t.Cleanup(func() { _ = ln.Close() })
	go netlab.Discard(ln)
	return ln
}

// A diagnosis is what doctor prints as JSON.
type diagnosis struct {
	Severity, Code, What, Breaks, Type, At string
	There                                  bool
}

// doctor runs shunt doctor on the director.
func (w *ward) doctor(text string, args ...string) (found []diagnosis, status int) {
	w.t.Helper()
	out, status := w.run(text, nil, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		w.t.Fatalf("%v in %s", err, out)
	}
	return found, status
}

func (w *ward) run(text string, input io.Reader, args ...string) (string, int) {
	w.t.Helper()
	file := filepath.Join(w.dir, "shunt.cf")
	w.must(os.WriteFile(file, []byte(text), 0o600))
	line := slices.Concat(w.wrap, []string{shuntBinary, "doctor", file, "--control", filepath.Join(w.dir, "control")}, args)
	cmd := exec.Command(line[0], line[1:]...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &out, &out
	p, err := w.director.Start(cmd)
	w.must(err)
	_ = p.Wait() // the status says it
	return out.String(), cmd.ProcessState.ExitCode()
}

// worse returns the codes of findings above notes, each once, in order.
func worse(found []diagnosis) []string {
	codes := []string{}
	for _, f := range found {
		if f.Severity != "note" {
			codes = append(codes, f.Code)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

const (
	proxyCF = `virtual=10.0.0.100:80
	dataplane=proxy
	real=10.0.0.2:80 masq
	real=10.0.0.3:80 masq
	checktype=connect
`
	kernelCF = `virtual=10.0.0.100:80
	dataplane=ipvs
	real=10.0.0.2:80 masq
	real=10.0.0.3:80 masq
	checktype=connect
`
)

// with adds global lines to a file.
func with(text string, lines ...string) string { return strings.Join(append(lines, text), "\n") }

// Each fault is planted on a healthy director, and found alone.
func TestDoctorFinds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		plant func(*ward)
		text  string
		want  string // the codes
		who   string // a part of one finding
	}{
		{"a file with a mistake", nil, "virtual=10.0.0.100:80\n\treal=10.0.0.2 nowhere\n", "file-error", "shunt.cf:2"},
		{"a file that warns", nil, proxyCF + "virtual=10.0.0.100:81\n\tdataplane=proxy\n", "file-warning", "no real server"},
		{"a kernel without IPVS", nil, kernelCF, "", ""},
		{"no CAP_NET_ADMIN", (*ward).withoutNetAdmin, with(proxyCF, "interface=eth0"), "no-net-admin", "eth0"},
		{"no CAP_NET_BIND_SERVICE", (*ward).withoutBind, proxyCF, "no-bind-service", "10.0.0.100:80"},
		{"no CAP_NET_RAW", (*ward).withoutRaw, with(proxyCF, "interface=eth0"), "no-net-raw", "not examined: whether other machines"},
		{"ip_forward=0", func(w *ward) { w.must(w.director.Sysctl("net.ipv4.ip_forward", "0")) }, kernelCF, "forwarding-off", "sysctl -w net.ipv4.ip_forward=1"},
		{"send_redirects=1", func(w *ward) { w.must(w.director.Sysctl("net.ipv4.conf.eth0.send_redirects", "1")) }, kernelCF, "send-redirects", "eth0.send_redirects=0"},
		{"a VIP on no link", func(w *ward) { w.must(w.director.DelAddr("eth0", netip.MustParsePrefix(doctorVIP+"/32"))) }, proxyCF, "vip-missing", "dev eth0"},
		{"a VIP that a real server answers for", func(w *ward) { w.must(w.rs1.AddVIP("eth0", netip.MustParseAddr(doctorVIP))) }, strings.ReplaceAll(kernelCF, "masq", "gate"), "vip-elsewhere", "10.0.0.2"},
		{"a VIP on a second director", func(w *ward) { w.must(w.other.AddVIP("eth0", netip.MustParseAddr(doctorVIP))) }, proxyCF, "vip-twice", doctorVIP},
		{"no route to a real server", nil, strings.Replace(proxyCF, "10.0.0.3", "192.0.2.3", 1), "real-no-route", "192.0.2.3"},
		{"a real server that refuses", func(w *ward) { _ = w.listeners[1].Close() }, proxyCF, "real-refuses", "10.0.0.3:80"},
		{"a real server that is silent", nil, strings.Replace(proxyCF, "10.0.0.3", "10.0.0.33", 1), "real-silent", "10.0.0.33:80"},
		{"a gate server beyond a router", (*ward).beyondRouter, strings.Replace(strings.ReplaceAll(kernelCF, "masq", "gate"), "10.0.0.3", "10.1.0.2", 1), "gate-beyond-router", "10.0.0.4"},
		{"a tunnel that is too narrow", nil, strings.ReplaceAll(kernelCF, "masq", "ipip"), "tunnel-mtu", "1480"},
		{"a router before a tunnel that is too narrow", (*ward).narrowRouter, strings.Replace(strings.ReplaceAll(kernelCF, "masq", "ipip"), "10.0.0.3", "10.1.0.2", 1), "tunnel-mtu", "1400"},
		{"few local ports", func(w *ward) { w.must(w.director.Sysctl("net.ipv4.ip_local_port_range", "32768 33000")) }, with(proxyCF, "maxconnections=1000"), "local-ports", "1000"},
		{"tcp_tw_reuse=0", func(w *ward) { w.must(w.director.Sysctl("net.ipv4.tcp_tw_reuse", "0")) }, proxyCF, "tw-reuse", "tcp_tw_reuse=1"},
		{"few descriptors", func(w *ward) { w.wrap = []string{need.Program(w.t, "prlimit"), "--nofile=500:500"} }, proxyCF, "descriptors", "500 files"},
		{"a certificate that has expired", (*ward).expired, proxyCF, "check-certificate", "expired"},
		{"a port that another program has", func(w *ward) { w.listen(w.director, doctorVIP+":80") }, proxyCF, "port-taken", "process"},
		{"a port that another program has on all addresses", func(w *ward) { w.listen(w.director, "0.0.0.0:80") }, proxyCF, "port-taken", "process"},
		{"a program that others may write", (*ward).writable, proxyCF, "program-writable", "chmod go-w"},
		{"a link that is not there", nil, with(proxyCF, "interface=eth9"), "link-missing", "eth9"},
		{"ldirectord", (*ward).ldirectord, proxyCF, "other-director", "ldirectord"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			if tt.plant != nil {
				tt.plant(w)
			}
			text := tt.text
			if extra, err := os.ReadFile(filepath.Join(w.dir, "text")); err == nil { // of the fault
				text += string(extra)
			}
			w.expect(text, strings.Fields(tt.want), tt.who)
		})
	}
}

// expect wants these codes and no others above notes, one of them with a text.
func (w *ward) expect(text string, want []string, part string) {
	w.t.Helper()
	if strings.Contains(text, "dataplane=ipvs") && !hasIPVS() {
		want = append(want, "ipvs-missing")
	}
	if strings.Contains(text, "verify=") && unsynchronised() {
		want = append(want, "clock-certificates")
	}
	slices.Sort(want)
	found, status := w.doctor(text)
	if diff := cmp.Diff(want, worse(found)); diff != "" {
		w.t.Errorf("-want +got:\n%s\nof %+v", diff, found)
	}
	if all := fmt.Sprint(found); !strings.Contains(all, part) {
		w.t.Errorf("%q is not in %s", part, all)
	}
	code := 0
	for _, f := range found {
		code = max(code, map[string]int{"error": 2, "warning": 1}[f.Severity])
		if f.Code == "not-examined" && w.wrap == nil {
			w.t.Errorf("as root: %s", f.What)
		}
		if f.What == "" || f.Severity != "note" && f.Type == "" {
			w.t.Errorf("%+v does not say what it is or what to do", f)
		}
	}
	if status != code {
		w.t.Errorf("exit status %d, want %d", status, code)
	}
}

// Nothing above a note is said of a director that is well, whether it runs or not.
func TestDoctorHealthy(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.expect(kernelCF, []string{}, "")
	w.expect(strings.ReplaceAll(kernelCF, "masq", "gate"), []string{}, "")
	w.behind()
	w.expect(strings.Replace(kernelCF, "real=10.0.0.2:80 masq\n\treal=10.0.0.3:80 masq", "real=10.2.0.2:80 ipip", 1), []string{}, "")
	w.expect(proxyCF, []string{}, "")
	cmd := exec.Command(shuntBinary, "run", "--config", filepath.Join(w.dir, "shunt.cf"), "--control", filepath.Join(w.dir, "control"), "--admin", "")
	var log bytes.Buffer
	cmd.Stderr = &log
	p, err := w.director.Start(cmd)
	w.must(err)
	wait.Until(t, "shunt serves", func() bool {
		return exec.Command(shuntBinary, "status", "--control", filepath.Join(w.dir, "control")).Run() == nil
	})
	w.expect(proxyCF, []string{}, "")
	p.Stop()
	if t.Failed() {
		t.Logf("shunt logs:\n%s", &log)
	}
}

// behind gives the director a link to a real server, 10.2.0.2, that has room for a
// tunnel.
func (w *ward) behind() {
	far, err := w.lab.Namespace("far")
	w.must(err)
	w.must(w.lab.Connect(
		netlab.End{In: w.director, Link: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.1/24")}},
		netlab.End{In: far, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.2/24")}},
	))
	w.mtu(w.director, "eth1", 1520)
	w.mtu(far, "eth0", 1520)
	w.listen(far, "0.0.0.0:80")
}

func (w *ward) mtu(n *netlab.Namespace, link string, mtu int) {
	w.t.Helper()
	w.must(n.Do(func() error {
		l, err := netlink.LinkByName(link)
		if err == nil {
			err = netlink.LinkSetMTU(l, mtu)
		}
		return err
	}))
}

// hasIPVS reports whether this kernel has IPVS.
func hasIPVS() bool {
	_, err := netlink.GenlFamilyGet("IPVS")
	return err == nil
}

func unsynchronised() bool {
	var x unix.Timex
	state, err := unix.Adjtimex(&x)
	return err == nil && (state == unix.TIME_ERROR || x.Status&unix.STA_UNSYNC != 0)
}

func (w *ward) withoutNetAdmin() { w.without("net_admin") }

func (w *ward) withoutBind() { w.without("net_bind_service") }

func (w *ward) withoutRaw() { w.without("net_raw") }

func (w *ward) without(capability string) {
	w.wrap = []string{need.Program(w.t, "setpriv"), "--bounding-set=-" + capability, "--inh-caps=-" + capability}
}

// add adds lines to the file.
func (w *ward) add(lines string) {
	w.must(os.WriteFile(filepath.Join(w.dir, "text"), []byte(lines), 0o600))
}

// beyondRouter makes other a router to a network with a real server, 10.1.0.2.
func (w *ward) beyondRouter() {
	far, err := w.lab.Namespace("far")
	w.must(err)
	w.must(w.lab.Connect(
		netlab.End{In: w.other, Link: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")}},
		netlab.End{In: far, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.2/24")}},
	))
	w.must(errors.Join(w.other.Forward(), far.Gateway(netip.MustParseAddr("10.1.0.1")),
		w.director.Route(netip.MustParsePrefix("10.1.0.0/24"), netip.MustParseAddr("10.0.0.4"))))
	w.listen(far, "0.0.0.0:80")
}

// narrowRouter is beyondRouter with a link that is too narrow behind the router.
func (w *ward) narrowRouter() {
	w.beyondRouter()
	w.mtu(w.other, "eth1", 1400)
}

// expired gives the first real server a service over TLS whose certificate has
// expired.
func (w *ward) expired() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	model := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(10, 0, 0, 2)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, model, model, key.Public(), key)
	w.must(err)
	ln, err := w.rs1.Listen("tcp", "0.0.0.0:443")
	w.must(err)
	w.t.Cleanup(func() { _ = ln.Close() })
	go netlab.Discard(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}))
	roots := filepath.Join(w.dir, "roots.pem")
	w.must(os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	w.add("virtual=10.0.0.100:443\n\tdataplane=proxy\n\treal=10.0.0.2:443 masq\n\tservice=https\n\tverify=" + roots + "\n")
}

// writable adds a check by a program that everybody may write.
func (w *ward) writable() {
	program := filepath.Join(w.dir, "check")
	w.must(os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700))
	w.must(os.Chmod(program, 0o777))
	w.add("virtual=10.0.0.100:81\n\tdataplane=proxy\n\treal=10.0.0.2:80 masq\n\tchecktype=external\n\tcheckcommand=" + program + "\n")
}

// ldirectord runs a program of that name on the director.
func (w *ward) ldirectord() {
	program := filepath.Join(w.dir, "ldirectord")
	sleep, err := os.ReadFile(need.Program(w.t, "sleep"))
	w.must(err)
	w.must(os.WriteFile(program, sleep, 0o700))
	_, err = w.director.Start(exec.Command(program, "600"))
	w.must(err)
}

// answer runs --fix on a terminal of its own, answers, and returns what is printed.
func (w *ward) answer(word string) string {
	w.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	w.must(err)
	defer master.Close()
	w.must(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	w.must(err)
	w.must(unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	w.must(err)
	defer terminal.Close()
	_, err = master.WriteString(word + "\n") // it waits there to be read
	w.must(err)
	out, _ := w.run(proxyCF, terminal, "--fix")
	return out
}

// --fix shows what it would do, asks, does it, and changes nothing else.
func TestDoctorFix(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.must(w.director.Sysctl("net.ipv4.tcp_tw_reuse", "0"))
	reuse := func() (value string) {
		w.must(w.director.Do(func() error {
			b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_tw_reuse")
			value = strings.TrimSpace(string(b))
			return err
		}))
		return value
	}
	if out, code := w.run(proxyCF, strings.NewReader("y\n"), "--fix"); code != 64 || !strings.Contains(out, "add --yes") || reuse() != "0" {
		t.Errorf("without a terminal: exit status %d, value %s, output %s", code, reuse(), out)
	}
	if out := w.answer("n"); !strings.Contains(out, "Do it? [y/N]") || strings.Contains(out, "done:") || reuse() != "0" {
		t.Errorf("answered n: value %s, output %s", reuse(), out)
	}
	if out := w.answer("y"); !strings.Contains(out, "done: sysctl -w net.ipv4.tcp_tw_reuse=1") || reuse() != "1" {
		t.Errorf("answered y: value %s, output %s", reuse(), out)
	}
	w.must(w.director.Sysctl("net.ipv4.tcp_tw_reuse", "0"))
	out, code := w.run(proxyCF, nil, "--fix", "--yes")
	for _, part := range []string{
		"warning  tw-reuse", "sysctl -w net.ipv4.tcp_tw_reuse=1\n", "net.ipv4.tcp_tw_reuse = 1 in /etc/sysctl.d/60-shunt.conf",
		"done: sysctl -w net.ipv4.tcp_tw_reuse=1\n", "0 errors, 1 warning", "0 errors, 0 warnings",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in what --fix prints", part)
		}
	}
	if code != 0 || reuse() != "1" || t.Failed() {
		t.Errorf("exit status %d, tcp_tw_reuse=%s after:\n%s", code, reuse(), out)
	}
}
