package doctor

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// inspected returns a subject with these settings of the kernel.
func inspected(t *testing.T, text string, settings map[string]string) *Subject {
	t.Helper()
	dir := t.TempDir()
	for name, value := range settings {
		path := filepath.Join(dir, strings.ReplaceAll(name, ".", "/"))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, err := daemon.Inspect(t.Context(), config.NewSource("test.cf", []byte(text)), "ipvs")
	if err != nil {
		t.Fatal(err)
	}
	in.Lacks = nil // as on a host with IPVS
	return &Subject{Inspection: in, Settings: sysctl.Dir(dir)}
}

const onKernel = "virtual=10.0.0.100:80\n\treal=10.0.0.2:80 masq\n\tscheduler=mh\n\tchecktype=connect\n"

// onMark is a service whose needs depend on no route of this host.
const onMark = "virtual=7\n\treal=10.0.0.2:80 masq\n\tchecktype=connect\n"

const onProxy = "maxconnections=1000\nvirtual=10.0.0.100:80\n\tdataplane=proxy\n\treal=10.0.0.2:80 masq\n\tchecktype=connect\n"

func codes(all []Finding) []Code {
	list := []Code{}
	for _, f := range all {
		list = append(list, f.Code)
	}
	return list
}

func TestConntrack(t *testing.T) {
	for _, tt := range []struct {
		count, most string
		want        []Code
	}{
		{"", "", []Code{}},
		{"100", "262144", []Code{}},
		{"100", "0", []Code{}}, // no limit
		{"100", "2000", []Code{}},
		{"100", "1999", []Code{conntrackSmall}},
		{"240000", "262144", []Code{conntrackFull}},
		{"many", "262144", []Code{notExamined}},
	} {
		settings := map[string]string{}
		if tt.most != "" {
			settings = map[string]string{conntrackCount: tt.count, conntrackMax: tt.most}
		}
		got := codes(conntrack(t.Context(), inspected(t, onProxy, settings)))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s of %s: -want +got:\n%s", tt.count, tt.most, diff)
		}
	}
}

// The module of a scheduler is loaded, or one of those that are installed.
func TestSchedulerMissing(t *testing.T) {
	release, err := kernelRelease()
	if err != nil {
		t.Fatal(err)
	}
	dep := "kernel/net/netfilter/ipvs/ip_vs_wlc.ko.xz: kernel/net/netfilter/ipvs/ip_vs.ko.xz\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []Code
	}{
		{"no lists", nil, []Code{notExamined}},
		{"not installed", map[string]string{"dep": dep}, []Code{schedulerMissing}},
		{"installed", map[string]string{"dep": dep + "kernel/net/netfilter/ipvs/ip-vs-mh.ko: a.ko\n"}, []Code{}},
		{"built in", map[string]string{"dep": dep, "builtin": "kernel/net/netfilter/ipvs/ip_vs_mh.ko\n"}, []Code{}},
		{"loaded", map[string]string{"loaded": "ip_vs_mh"}, []Code{}},
	} {
		old := [...]string{loadedModules, installedModules}
		loadedModules, installedModules = t.TempDir(), t.TempDir()
		for kind, text := range tt.files {
			dir := filepath.Join(installedModules, release)
			if kind == "loaded" {
				dir = filepath.Join(loadedModules, text)
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "modules."+kind), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(tt.want, codes(kernel(t.Context(), inspected(t, onKernel, nil)))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
		loadedModules, installedModules = old[0], old[1]
	}
}

// Settings that shunt sets by itself are no fault before it runs.
func TestSettings(t *testing.T) {
	bad := map[string]string{
		"net.ipv4.ip_forward": "0", "net.ipv4.vs.expire_nodest_conn": "0", "net.ipv4.vs.conn_reuse_mode": "0",
	}
	want := []Code{connReuseMode, expireNodestConn, forwardingOff}
	s := inspected(t, onMark, bad)
	if diff := cmp.Diff(want, codes(settings(t.Context(), s))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	r := Report{Findings: settings(t.Context(), s)}
	for _, x := range r.Fixes() {
		if err := x.Do(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got := settings(t.Context(), s); len(r.Fixes()) != len(want) || len(got) > 0 {
		t.Errorf("after %d fixes: %+v", len(r.Fixes()), got)
	}
	s = inspected(t, "managesysctl=yes\n"+onMark, bad)
	if diff := cmp.Diff([]Code{settingPending, settingPending, settingPending}, codes(settings(t.Context(), s))); diff != "" {
		t.Errorf("with managesysctl: -want +got:\n%s", diff)
	}
	s.Process = os.Getpid()
	if diff := cmp.Diff(want, codes(settings(t.Context(), s))); diff != "" {
		t.Errorf("with managesysctl, running: -want +got:\n%s", diff)
	}
}

// Every setting that services can need has a code.
func TestCodesOfSettings(t *testing.T) {
	for _, forward := range []dataplane.Forward{dataplane.Gate, dataplane.Masq, dataplane.IPIP} {
		for _, addr := range []string{"10.0.0.1:80", "[fd00::1]:80"} {
			at := netip.MustParseAddrPort(addr)
			services := []dataplane.VirtualService{{
				ID: dataplane.ServiceID{Protocol: dataplane.TCP, Addr: at}, Persistent: 1, RealServers: []dataplane.RealServer{{Addr: at, Forward: forward}},
			}}
			services[0].ExpireQuiescent, services[0].CheckByVIP = true, true
			for _, n := range sysctl.Needs(services, sysctl.Options{Where: func(a netip.Addr) (string, bool) { return "eth0", false }}) {
				name := n.Name[strings.LastIndex(n.Name, ".")+1:]
				if codesOfSettings[name] == "" {
					t.Errorf("%s has no code", n.Name)
				}
			}
		}
	}
}

func TestForeign(t *testing.T) {
	tcp := func(addr string) dataplane.ServiceID {
		return dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort(addr)}
	}
	listed := []dataplane.ServiceID{tcp("10.0.0.100:80"), tcp("10.0.0.100:443")}
	for i := range 7 {
		listed = append(listed, tcp(fmt.Sprintf("10.9.0.%d:80", i+1)))
	}
	got := inspected(t, onKernel, nil).foreign(listed)
	if diff := cmp.Diff([]Code{foreignService, foreignTable}, codes(got)); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	if got[0].Type != "ipvsadm -D -t 10.0.0.100:443" || !strings.HasSuffix(got[1].What, "tcp 10.9.0.5:80 and 2 more") {
		t.Errorf("got %+v", got)
	}
}

// Parts of findings are of other machines: a terminal does not follow them.
func TestPrint(t *testing.T) {
	f := found(realRefuses, config.Pos{File: "a.cf", Line: 3, Col: 7}, "it says %s", "\x1b[2J\nhello").breaks("a").mendThere("b")
	var b strings.Builder
	r := Report{Findings: []Finding{f}, Examinations: 2}
	if err := Print(&b, &r, "a.cf", "lvs1"); err != nil {
		t.Fatal(err)
	}
	want := "warning  real-refuses              it says \ufffd[2J;hello\n" +
		"         breaks                    a\n" +
		"         type there                b\n" +
		"         line                      a.cf:3\n" +
		"0 errors, 1 warning, 0 notes; 2 examinations of lvs1 for a.cf\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if r.Status() != 1 {
		t.Errorf("exit status %d, want 1", r.Status())
	}
}

// CONFIGURATION.md has a row for each code, with its severity, the worst first.
func TestCodesDocumented(t *testing.T) {
	text, err := os.ReadFile("../../CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[Code]string{}
	last := Error
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (error|warning|note) \\|").FindAllStringSubmatch(string(text), -1) {
		documented[Code(row[1])] = row[2]
		at := Severity(slices.Index(severities[:], row[2]))
		if at < last {
			t.Errorf("%s comes after a %v", row[1], last)
		}
		last = at
	}
	have := map[Code]string{}
	for c, s := range severityOf {
		have[c] = s.String()
	}
	if diff := cmp.Diff(have, documented); diff != "" {
		t.Errorf("-code +documented:\n%s", diff)
	}
}
