//go:build packages

// Package packaging_test installs shunt in every way that it is packaged for.
package packaging_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/internal/version"
)

const older = "0.0.9"

// A format is a kind of packages and how they are handled.
type format struct {
	name, install, upgrade, remove, purge string
	file                                  string // of a package and a version, as printf has it
}

var formats = []format{
	{
		name: "deb", file: "/packages/%s_%s-1_*.deb",
		install: "dpkg --force-unsafe-io -i", upgrade: "dpkg --force-unsafe-io -i", remove: "dpkg -r", purge: "dpkg -P",
	},
	{
		name: "rpm", file: "/packages/%s-%s-1.*.rpm",
		install: "rpm --nodeps -i", upgrade: "rpm --nodeps -U", remove: "rpm --nodeps -e",
	},
}

// built builds what is packaged.
var built = sync.OnceValues(func() ([]byte, error) {
	return exec.Command("make", "-s", "-C", "..", "build", "man").CombinedOutput()
})

// makes has make do something with what is built.
func makes(t *testing.T, args ...string) {
	t.Helper()
	if out, err := built(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	process.Run(t, "make", append([]string{"-s", "-C", "..", "-o", "build", "-o", "man"}, args...)...)
}

// path is a shell's pattern for the file of a package.
func (f format) path(name, version string) string {
	return strings.NewReplacer("%s_%s", name+"_"+version, "%s-%s", name+"-"+version).Replace(f.file)
}

// build makes all packages of two versions in one folder.
func build(t *testing.T) string {
	dir := t.TempDir()
	for _, v := range []string{older, version.Number} {
		makes(t, "deb", "rpm", "VERSION="+v, "PACKAGED="+dir)
	}
	return dir
}

const config = `checkinterval = 1
checktimeout = 10
logfile = "/var/log/shunt/shunt.log"
virtual = 127.0.0.1:80
	real = 127.0.0.1:8081 masq 1
	real = 127.0.0.1:8082 masq 1
	service = http
	checktype = connect
	protocol = tcp
`

// TestPackages: a package is installed, started, reloaded, upgraded while clients
// ask, stopped, removed and purged, under systemd.
func TestPackages(t *testing.T) {
	packages := build(t)
	need.Programs(t, "rpm", "dpkg", "curl", "logrotate")
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			c := boot(t, packages)
			before := c.files()
			for _, step := range []struct {
				name string
				run  func()
			}{
				{"installs", func() { c.installs(f) }},
				{"refuses to start", c.refusesToStart},
				{"starts", c.starts},
				{"reloads", c.reloads},
				{"rotates its log", c.rotates},
				{"upgrades", func() { c.upgrades(f) }},
				{"replaces ldirectord", func() { c.replacesLdirectord(f) }},
				{"is removed", func() { c.isRemoved(f, before) }},
			} {
				begin := time.Now()
				step.run()
				t.Logf("%s, in %v", step.name, time.Since(begin).Round(time.Millisecond))
			}
		})
	}
}

// files lists what is called shunt or ldirectord on the system.
func (c *container) files() []string {
	return strings.Fields(c.run("find /etc /usr /var /run -maxdepth 4 ! -path '*/nspawn/*' \\( -name '*shunt*' -o -name '*ldirectord*' \\) | sort"))
}

func (c *container) installs(f format) {
	said := c.run(f.install + " " + f.path("shunt", older))
	if !strings.Contains(said, "systemctl enable --now shunt") {
		c.t.Errorf("the installation does not say how to start shunt:\n%s", said)
	}
	if got := c.property("ActiveState") + " " + c.property("UnitFileState"); got != "inactive disabled" {
		c.t.Errorf("after the installation shunt is %s", got)
	}
	if got, want := c.run("stat -c '%U %G %a' /var/log/ldirectord.log"), "shunt adm 640\n"; got != want {
		c.t.Errorf("/var/log/ldirectord.log is %swant %s", got, want)
	}
}

// refusesToStart: without a file, with one that shunt may not read, with a mistake
// in it, and beside ldirectord, the start fails, and systemd gives up.
func (c *container) refusesToStart() {
	c.t.Helper()
	gaveUp := func(reason string) {
		c.t.Helper()
		c.fails("systemctl start shunt", "failed")
		wait.Until(c.t, "systemd gives up", func() bool { return c.property("ActiveState") == "failed" })
		if journal := c.run("journalctl --no-pager --unit shunt"); !strings.Contains(journal, reason) {
			c.t.Errorf("the journal does not have %q:\n%s", reason, journal)
		}
		c.run("systemctl reset-failed shunt")
	}
	gaveUp("ldirectord.cf: no such file")
	c.write("/etc/ha.d/ldirectord.cf", config)
	c.run("chmod 600 /etc/ha.d/ldirectord.cf")
	gaveUp("ldirectord.cf: permission denied")
	c.run("chgrp shunt /etc/ha.d/ldirectord.cf; chmod g+r /etc/ha.d/ldirectord.cf; echo wrong >> /etc/ha.d/ldirectord.cf")
	gaveUp("ldirectord.cf:10:1: error:")
	c.write("/etc/ha.d/ldirectord.cf", config)
	c.run("systemd-run --unit ldirectord sleep infinity")
	gaveUp("ldirectord is running. Type: systemctl disable --now ldirectord")
	c.run("systemctl stop ldirectord")
}

func (c *container) starts() {
	c.run("systemctl enable --now shunt")
	c.run("curl -sf -o /dev/null http://127.0.0.1/")
	c.run("shunt status")
	status := c.run("cat /proc/" + c.property("MainPID") + "/status")
	// 0x3400: CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW.
	for _, want := range []string{"CapEff:\t0000000000003400\n", "CapBnd:\t0000000000003400\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
		if !strings.Contains(status, want) {
			c.t.Errorf("the process has not %q:\n%s", want, status)
		}
	}
	if got := c.run("ps -o user= -p " + c.property("MainPID")); got != "shunt\n" {
		c.t.Errorf("shunt runs as %s", got)
	}
}

// reloads: systemctl reload says whether the new file is in force.
func (c *container) reloads() {
	pid := c.property("MainPID")
	c.write("/etc/ha.d/ldirectord.cf", strings.Replace(config, "8082 masq 1", "8082 masq 7", 1))
	c.run("systemctl reload shunt")
	if got := c.run("shunt status --json"); !strings.Contains(got, `"weight": 7`) {
		c.t.Errorf("weight 7 is not in force:\n%s", got)
	}
	c.write("/etc/ha.d/ldirectord.cf", config+"wrong\n")
	c.fails("systemctl reload shunt", "failed")
	c.run("curl -sf -o /dev/null http://127.0.0.1/")
	c.write("/etc/ha.d/ldirectord.cf", config)
	c.run("systemctl reload shunt")
	if got := c.property("ActiveState") + " " + c.property("MainPID"); got != "active "+pid {
		c.t.Errorf("after the reloads shunt is %s, was %s", got, pid)
	}
}

// rotates: shunt goes on in the new file that logrotate makes.
func (c *container) rotates() {
	c.run("logrotate --force /etc/logrotate.d/shunt")
	c.run("systemctl reload shunt")
	wait.Until(c.t, "a line in the new log", func() bool {
		out, err := c.try("stat -c '%U %G %a' /var/log/shunt/shunt.log.1 /var/log/shunt/shunt.log; grep -q reload /var/log/shunt/shunt.log")
		return err == nil && out == "shunt shunt 640\nshunt adm 640\n"
	})
}

// upgrades: shunt is another process afterwards, and no request ends in another
// way than by an answer or, in the moment between the two, a refusal. The kernel
// resets what it has accepted for a listener that closes before shunt has.
func (c *container) upgrades(f format) {
	pid, stop := c.property("MainPID"), c.clients()
	c.run(f.upgrade + " " + f.path("shunt", version.Number))
	if got := c.property("MainPID"); got == pid || got == "0" || c.property("ActiveState") != "active" {
		c.t.Errorf("after the upgrade shunt is process %s, was %s", got, pid)
	}
	c.run("curl -sf -o /dev/null http://127.0.0.1/")
	ended := map[string]int{}
	for _, end := range stop() {
		ended[end]++
	}
	c.t.Log("requests during the upgrade, by status of HTTP and of curl: ", ended)
	good, refused := ended["200 0"], ended["000 7"]+ended["000 56"]
	for _, end := range []string{"200 0", "000 7", "000 56"} {
		delete(ended, end)
	}
	if good == 0 || len(ended) > 0 {
		c.t.Errorf("%d requests were answered, %d refused, and others ended with %v", good, refused, ended)
	}
}

// replacesLdirectord: the unit and the command are there by ldirectord's names.
func (c *container) replacesLdirectord(f format) {
	pid := c.property("MainPID")
	c.run(f.install + " " + f.path("shunt-ldirectord", version.Number))
	if got := c.run("systemctl show --value --property MainPID ldirectord.service"); got != pid+"\n" {
		c.t.Errorf("ldirectord.service is process %sand not shunt, which is %s", got, pid)
	}
	if got := c.run("readlink -f /usr/sbin/ldirectord"); got != "/usr/sbin/shunt\n" {
		c.t.Errorf("/usr/sbin/ldirectord is %s", got)
	}
	c.run("systemctl restart ldirectord && curl -sf -o /dev/null http://127.0.0.1/")
	c.run("logrotate --force /etc/logrotate.d/ldirectord")
	if said, err := c.try("logrotate --debug /etc/logrotate.d"); err != nil || strings.Contains(said, "duplicate") {
		c.t.Errorf("logrotate: %v\n%s", err, said)
	}
}

// isRemoved: nothing runs, and what stays is the operator's; a purge leaves
// nothing.
func (c *container) isRemoved(f format, before []string) {
	c.run("systemctl stop shunt")
	if got := c.property("Result"); got != "success" {
		c.t.Errorf("the stop ended with %s:\n%s", got, c.run("journalctl --no-pager --unit shunt"))
	}
	if journal := c.run("journalctl --no-pager --boot"); strings.Contains(journal, "shunt.service:") && strings.Contains(journal, "Unknown key") {
		c.t.Errorf("systemd does not know all of the unit:\n%s", journal)
	}
	c.run("systemctl start shunt")
	c.run(f.remove + " shunt-ldirectord shunt")
	c.fails("pgrep -x shunt", "")
	c.fails("systemctl cat shunt.service", "No files found")
	if c.run("ls /var/log/shunt/shunt.log /etc/ha.d/ldirectord.cf /var/log/ldirectord.log"); f.purge == "" {
		return
	}
	c.run("ls /etc/default/shunt /etc/logrotate.d/shunt /etc/logrotate.d/ldirectord")
	c.run("rm -r /etc/ha.d") // it is the operator's
	c.run(f.purge + " shunt-ldirectord shunt")
	left := slices.DeleteFunc(c.files(), func(path string) bool {
		return slices.Contains(before, path) || strings.HasPrefix(path, "/var/log/journal/")
	})
	if len(left) > 0 {
		c.t.Errorf("the purge leaves %v", left)
	}
}

// TestScripts: the scripts of packages are right for the smallest shell.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("scripts/*.sh")
	if err != nil || len(scripts) != 4 {
		t.Fatal(scripts, err)
	}
	for _, s := range scripts {
		process.Run(t, "dash", "-n", s)
	}
}
