package programs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// A host is two sshd with one host key behind shunt.
type host struct {
	d        *daemon
	id, port string
	dir      string // keys and files
	options  []string
}

func newHost(t *testing.T) *host {
	t.Helper()
	need.Programs(t, "sshd", "ssh", "ssh-keygen", "scp", "sftp", "curl")
	h := &host{dir: t.TempDir(), port: process.FreePort(t)}
	h.id = id("tcp", h.port)
	if os.Getuid() == 0 {
		must(t, os.MkdirAll("/run/sshd", 0o755)) // as its service does
	}
	for _, key := range []string{"host", "user"} {
		process.Run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(h.dir, key))
	}
	sshd, err := exec.LookPath("sshd") // insists on an absolute path
	must(t, err)
	for _, addr := range reals {
		p := process.Start(t, sshd, "-D", "-e", "-f", "/dev/null", "-h", h.in("host"), "-p", h.port,
			"-o", "ListenAddress="+addr, "-o", "PidFile=none", "-o", "StrictModes=no", "-o", "UsePAM=no",
			"-o", "AuthorizedKeysFile="+h.in("user.pub"), "-o", "PermitRootLogin=prohibit-password",
			"-o", "Subsystem=sftp internal-sftp", "-o", "MaxStartups=100", "-o", "PerSourceMaxStartups=none")
		p.Listens(addr + ":" + h.port)
	}
	h.trust(t)
	h.d = direct(t, service(h.port, reals, "scheduler = rr", "checktype = connect"))
	return h
}

// trust makes the client know the host's key, and no file of the user.
func (h *host) trust(t *testing.T) {
	t.Helper()
	key, err := os.ReadFile(h.in("host.pub"))
	must(t, err)
	write(t, h.in("known"), fmt.Sprintf("[%s]:%s %s", vip, h.port, key))
	h.options = []string{
		"-F", "none", "-i", h.in("user"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + h.in("known"),
	}
}

func (h *host) in(name string) string { return filepath.Join(h.dir, name) }

// A command, files both ways, and a forwarded port with data and an end on
// each side.
func TestSSH(t *testing.T) {
	h := newHost(t)
	f := content(t, h.dir, "file", 32<<20)
	t.Run("command", func(t *testing.T) {
		got := process.Feed(t, "what is said\n", "ssh", append(h.options, "-p", h.port, vip, "cat; echo done")...)
		if want := "what is said\ndone\n"; got != want {
			t.Errorf("the command says %q, want %q", got, want)
		}
	})
	for name, args := range map[string][]string{"sftp": {"-s"}, "scp": {"-O"}} {
		t.Run("scp by "+name, func(t *testing.T) { h.copy(t, f, args...) })
	}
	t.Run("sftp", func(t *testing.T) {
		process.Feed(t, fmt.Sprintf("put %s %s\nget %[2]s %[3]s\n", f.path, h.in("put"), h.in("got")),
			"sftp", append(h.options, "-q", "-b", "-", "-P", h.port, vip)...)
		f.is(t, h.in("put"))
		f.is(t, h.in("got"))
	})
	t.Run("forward", func(t *testing.T) { h.forward(t, f) })
	h.d.carried(h.id, 1+2*2+1+1)
}

// copy copies a file there and back.
func (h *host) copy(t *testing.T, f file, args ...string) {
	args = append(append(args, h.options...), "-q", "-P", h.port)
	there, back := filepath.Join(t.TempDir(), "there"), filepath.Join(t.TempDir(), "back")
	process.Run(t, "scp", append(args, f.path, vip+":"+there)...)
	f.is(t, there)
	process.Run(t, "scp", append(args, vip+":"+there, back)...)
	f.is(t, back)
}

// forward goes through ssh to a web server, several times at once.
func (h *host) forward(t *testing.T, f file) {
	web, local := reals[0]+":"+process.FreePort(t), vip+":"+process.FreePort(t)
	nginx(t, web, "", h.dir)
	p := process.Start(t, "ssh", append(h.options, "-N", "-o", "ExitOnForwardFailure=yes", "-L", local+":"+web, "-p", h.port, vip)...)
	p.Listens(local)
	dir := t.TempDir()
	process.Run(t, "curl", "-sSfZ", "http://"+local+"/file?[1-4]", "-o", filepath.Join(dir, "#1"))
	for _, name := range []string{"1", "2", "3", "4"} {
		f.is(t, filepath.Join(dir, name))
	}
	process.Run(t, "curl", "-sSf", "-T", f.path, "http://"+local+"/up/file")
	f.is(t, filepath.Join(h.dir, "up", "file"))
}
