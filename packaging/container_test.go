//go:build packages

package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A container is this system under a systemd of its own, with a network of its
// own. It starts nothing but two web servers, and its changes to files are in
// memory and end with it.
type container struct {
	t    *testing.T
	init string // process number of its systemd
}

// bootScript mounts an overlay of the whole system in a mount namespace of its
// own and boots it: $1 is a folder to mount at, $2 one that is /packages inside.
// Units of the system are enabled for other targets than this one. Nobody configures
// its network, and an index of manual pages would take a minute.
const bootScript = `set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
rm -rf etc/machine-id etc/ha.d usr/sbin/policy-rc.d var/lib/man-db/auto-update
mkdir -p etc/systemd/system packages
ln -sf /dev/null etc/systemd/system/systemd-networkd-wait-online.service
ln -sf /dev/null etc/systemd/system/NetworkManager-wait-online.service
cat > etc/systemd/system/shunt-test.target <<UNIT
[Unit]
Requires=basic.target
After=basic.target
Wants=real@8081.service real@8082.service
UNIT
cat > etc/systemd/system/real@.service <<UNIT
[Service]
Type=exec
DynamicUser=yes
ExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 --directory /packages %i
StandardError=null
UNIT
exec systemd-nspawn --quiet --directory="$1/root" --bind-ro="$2:/packages" --boot --register=no --keep-unit \
	--private-network --console=pipe systemd.unit=shunt-test.target systemd.show_status=no`

// boot starts a container that has a folder at /packages.
func boot(t *testing.T, packages string) *container {
	need.Root(t)
	need.Programs(t, "systemd-nspawn", "unshare", "nsenter", "python3")
	// Whatever ends the test ends all processes of the container.
	p := process.Start(t, "setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "private",
		"--mount-proc", "sh", "-c", bootScript, "sh", t.TempDir(), packages)
	c := &container{t: t}
	c.init = wait.For(t, "a systemd in the container", func() (string, bool) {
		if !p.Running() {
			t.Fatal("the container has ended")
		}
		nspawn := child(strconv.Itoa(p.Cmd.Process.Pid))
		init := child(nspawn)
		name, _ := os.ReadFile(filepath.Join("/proc", init, "comm"))
		return init, string(name) == "systemd\n"
	})
	wait.Until(t, "the container has started", func() bool {
		out, _ := c.try("systemctl is-active shunt-test.target real@8081 real@8082")
		return out == "active\nactive\nactive\n"
	})
	return c
}

// child returns the only child of a process, "" if there is none.
func child(pid string) string {
	children, _ := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	return strings.TrimSpace(string(children))
}

// command is a shell script inside of the container.
func (c *container) command(script string) *exec.Cmd {
	return exec.CommandContext(c.t.Context(), "timeout", "100", "nsenter", "--all", "--target", c.init, "env", "-i",
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "sh", "-c", script)
}

// try runs a script and returns all that it prints.
func (c *container) try(script string) (string, error) {
	out, err := c.command(script).CombinedOutput()
	return string(out), err
}

// run is try for a script that has to end with success.
func (c *container) run(script string) string {
	c.t.Helper()
	out, err := c.try(script)
	if err != nil {
		journal, _ := c.try("journalctl --no-pager --lines 40")
		c.t.Fatalf("%s: %v\n%s\n%s", script, err, out, journal)
	}
	return out
}

// fails runs a script that has to end with a failure and print text.
func (c *container) fails(script, text string) {
	c.t.Helper()
	if out, err := c.try(script); err == nil || !strings.Contains(out, text) {
		c.t.Errorf("%s: %v, want a failure and %q:\n%s", script, err, text, out)
	}
}

// write makes a file of this text inside of the container.
func (c *container) write(path, text string) {
	c.t.Helper()
	cmd := c.command("cat > " + path)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v: %s", path, err, out)
	}
}

// property returns a property of shunt.service.
func (c *container) property(name string) string {
	c.t.Helper()
	return strings.TrimSpace(c.run("systemctl show --value --property " + name + " shunt.service"))
}

// clients ask for pages until the function that is returned is called, which
// returns how each request ended: with a status of HTTP, or a status of curl.
func (c *container) clients() (stop func() []string) {
	cmd := c.command("while [ ! -e /run/enough ]; do curl -s -o /dev/null -m 20 -w '%{http_code} %{exitcode}\n' http://127.0.0.1/; done")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	return func() []string {
		c.run("touch /run/enough")
		if err := cmd.Wait(); err != nil {
			c.t.Error(err)
		}
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
}
