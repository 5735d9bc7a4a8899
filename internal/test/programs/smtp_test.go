package programs_test

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// Mail arrives whole, by way of either server.
func TestSMTP(t *testing.T) {
	need.Programs(t, "swaks")
	needModule(t, "aiosmtpd")
	port := process.FreePort(t)
	servers := make([]*process.Process, len(reals))
	for i, addr := range reals {
		servers[i] = process.Start(t, python, "-u", "-m", "aiosmtpd", "-n", "-l", addr+":"+port, "-c", "aiosmtpd.handlers.Debugging", "stdout")
		servers[i].Listens(addr + ":" + port)
	}
	d := direct(t, service(port, reals, "scheduler = rr", "checktype = connect"))
	var body strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&body, "%x\n", sha256.Sum256(fmt.Append(nil, i)))
	}
	file := filepath.Join(t.TempDir(), "body")
	write(t, file, body.String())
	for range servers {
		process.Run(t, "swaks", "--server", vip, "--port", port, "--from", "a@zone.test", "--to", "b@zone.test", "--body", "@"+file, "--silent", "2")
	}
	for _, p := range servers {
		p.Prints("END MESSAGE")
		if !strings.Contains(strings.ReplaceAll(p.Printed(), "\r", ""), body.String()) {
			t.Errorf("%s has got something else", p.Cmd)
		}
	}
	d.carried(id("tcp", port), len(servers))
}
