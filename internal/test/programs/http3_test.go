package programs_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// HTTP/3: QUIC is long flows of datagrams, several at the same time.
func TestHTTP3(t *testing.T) {
	need.Programs(t, "gtlsclient", "gtlsserver")
	key, cert := certificate(t)
	root, port := t.TempDir(), process.FreePort(t)
	f := content(t, root, "file", 16<<20)
	for _, addr := range reals {
		p := process.Start(t, "gtlsserver", "-q", "-d", root, addr, port, key, cert)
		wait.Until(t, "gtlsserver has its port", func() bool { return p.Running() && taken(addr+":"+port) })
	}
	d := direct(t, service(port, reals, "protocol = udp", "scheduler = rr", "checktype = external", "checkcommand = "+quicCheck(t)))
	dir := t.TempDir()
	const n = 4
	clients := make([]*process.Process, n)
	for i := range clients {
		into := filepath.Join(dir, fmt.Sprint(i))
		must(t, os.Mkdir(into, 0o755))
		clients[i] = process.Start(t, "gtlsclient", "-q", "--exit-on-all-streams-close", "--download", into,
			vip, port, fmt.Sprintf("https://localhost:%s/file", port))
	}
	for i, c := range clients {
		c.Wait()
		f.is(t, filepath.Join(dir, fmt.Sprint(i), "file"))
	}
	d.carried(id("udp", port), n)
	if each := d.each(id("udp", port)); len(each) != 2 || each[0] != each[1] {
		t.Errorf("flows are spread as %v", each)
	}
}

// quicCheck writes a program that finds out whether a server speaks QUIC.
func quicCheck(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "check")
	script := "#!/bin/sh\nexec gtlsclient -q --exit-on-all-streams-close -m HEAD \"$3\" \"$4\" https://localhost/file\n"
	must(t, os.WriteFile(path, []byte(script), 0o755))
	return path
}

// taken reports whether somebody has a UDP port.
func taken(addr string) bool {
	c, err := net.DialTimeout("udp", addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	// A port that nobody has is reported to the socket.
	_, _ = c.Write([]byte{0})
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err = c.Read(make([]byte, 2048))
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded)
}
