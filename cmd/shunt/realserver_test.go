package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A real server's life, as an operator types it.
func TestRealserver(t *testing.T) {
	lab := netlab.Test(t)
	server, err := lab.Namespace("server")
	if err != nil {
		t.Fatal(err)
	}
	note := filepath.Join(t.TempDir(), "note")
	const missing = `net.ipv4.conf.all.arp_ignore is 0 in effect: this machine answers ARP for the VIP, which is the director's; type: sysctl -w net.ipv4.conf.all.arp_ignore=1
net.ipv4.conf.all.arp_announce is 0 in effect: this machine tells its neighbours that the VIP is here; type: sysctl -w net.ipv4.conf.all.arp_announce=2
net.ipv4.conf.lo.arp_ignore is 0 in effect: this machine answers ARP for the VIP, which is the director's; type: sysctl -w net.ipv4.conf.lo.arp_ignore=1
net.ipv4.conf.lo.arp_announce is 0 in effect: this machine tells its neighbours that the VIP is here; type: sysctl -w net.ipv4.conf.lo.arp_announce=2
10.0.0.100 is not on lo; type: ip addr add 10.0.0.100/32 dev lo
fd00::100 is not on lo; type: ip addr add fd00::100/128 dev lo preferred_lft 0 nodad
`
	for _, step := range []struct {
		command, want string
		code          int
	}{
		{"check", missing, 1},
		{"apply", commented(missing), 0},
		{"check", "nothing is missing\n", 0},
		{"apply", "nothing to change\n", 0},
		{"remove", "ip addr del 10.0.0.100/32 dev lo\t# 10.0.0.100 is on lo\n" +
			"ip addr del fd00::100/128 dev lo\t# fd00::100 is on lo\n" +
			"sysctl -w net.ipv4.conf.all.arp_ignore=0\t# net.ipv4.conf.all.arp_ignore is 1 and was 0\n" +
			"sysctl -w net.ipv4.conf.all.arp_announce=0\t# net.ipv4.conf.all.arp_announce is 2 and was 0\n" +
			"sysctl -w net.ipv4.conf.lo.arp_ignore=0\t# net.ipv4.conf.lo.arp_ignore is 1 and was 0\n" +
			"sysctl -w net.ipv4.conf.lo.arp_announce=0\t# net.ipv4.conf.lo.arp_announce is 2 and was 0\n", 0},
		{"remove", "nothing to change\n", 0},
		{"check", missing, 1},
	} {
		cmd := exec.CommandContext(t.Context(), shuntBinary, "realserver", step.command, "--vip", "10.0.0.100", "--vip", "fd00::100", "--note", note)
		var out []byte
		_ = server.Do(func() (err error) {
			out, err = cmd.CombinedOutput()
			return err
		})
		if diff := cmp.Diff(step.want, string(out)); diff != "" || cmd.ProcessState.ExitCode() != step.code {
			t.Fatalf("%s: exit code %d, want %d; -want +got:\n%s", step.command, cmd.ProcessState.ExitCode(), step.code, diff)
		}
	}
}

// commented turns what check says into what apply says.
func commented(missing string) string {
	var b strings.Builder
	for line := range strings.Lines(missing) {
		what, command, _ := strings.Cut(strings.TrimSpace(line), "; type: ")
		b.WriteString(command + "\t# " + what + "\n")
	}
	return b.String()
}
