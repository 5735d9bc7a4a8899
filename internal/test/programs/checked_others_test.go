package programs_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// on returns a server that listens on a port of 127.0.0.1.
func on(t *testing.T, p *process.Process, port string) checked {
	t.Helper()
	c := checked{p, t, netip.MustParseAddrPort("127.0.0.1:" + port)}
	p.Listens(c.addr.String())
	return c
}

// vsftpd serves a folder to anonymous users and refuses all others.
func TestCheckVsftpd(t *testing.T) {
	need.Root(t)
	need.Programs(t, "vsftpd")
	dir, port := process.Folder(t, ""), process.FreePort(t)
	folder(t, dir, "empty", "files")
	write(t, dir+"/files/check.txt", "all is well\n")
	file := filepath.Join(dir, "vsftpd.conf")
	write(t, file, fmt.Sprintf(`listen=YES
background=NO
listen_address=127.0.0.1
listen_port=%s
anonymous_enable=YES
local_enable=NO
anon_root=%[2]s/files
secure_chroot_dir=%[2]s/empty
seccomp_sandbox=NO
`, port, dir))
	c := on(t, process.Start(t, "vsftpd", file), port)
	anonymous := func(request, receive string) checks.Target {
		target := checks.Target{Login: "anonymous", Passwd: "shunt@example.test", Request: request}
		if receive != "" {
			target.Receive = matcher(t, receive)
		}
		return target
	}
	c.well("ftp", anonymous("/check.txt", "is well"))
	c.well("ftp", anonymous("/check.txt", ""))
	c.well("ftp", anonymous("/", ""))
	c.fails("ftp", anonymous("/check.txt", "is ill"), checks.Mismatch, "file does not match")
	c.fails("ftp", anonymous("/other.txt", ""), checks.Status, `RETR "550 `)
	c.fails("ftp", checks.Target{Login: "joe", Passwd: "secret"}, checks.Auth, `"530 `)
	c.fails("smtp", checks.Target{}, checks.Status, `HELO "530 `)
	c.fails("pop", checks.Target{}, checks.Protocol, `greeting "220 `)
	c.hangsAndStops("ftp", anonymous("/", ""), "while waiting for the greeting")
}

// kamailio answers OPTIONS over UDP and TCP, but not those of one user.
func TestCheckKamailio(t *testing.T) {
	need.Programs(t, "kamailio")
	dir, port := t.TempDir(), process.FreePort(t)
	file := filepath.Join(dir, "kamailio.cfg")
	write(t, file, fmt.Sprintf(`#!KAMAILIO
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:127.0.0.1:%[1]s
listen=tcp:127.0.0.1:%[1]s
loadmodule "sl.so"
loadmodule "pv.so"
request_route {
	if ($rU == "nobody") {
		sl_send_reply("404", "Not here");
		exit;
	}
	sl_send_reply("200", "Fine");
}
`, port))
	c := on(t, process.Start(t, "kamailio", "-DD", "-E", "-m", "32", "-M", "8", "-Y", dir, "-f", file), port)
	for _, udp := range []bool{true, false} {
		c.well("sip", checks.Target{UDP: udp, Login: "check@example.test"})
		c.fails("sip", checks.Target{UDP: udp, Login: "nobody@example.test"}, checks.Status, `reply "SIP/2.0 404 Not here"`)
	}
	c.well("udp", checks.Target{
		Request: `/text:OPTIONS sip:a@b SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKa\nFrom: <sip:a@b>;tag=a\nTo: <sip:a@b>\nCall-ID: a\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n`,
		Receive: matcher(t, `^SIP/2\.0 200 Fine\r\n`),
	})
	c.fails("smtp", checks.Target{}, checks.Timeout, "while waiting for the greeting")
	c.hangsAndStops("sip", checks.Target{UDP: true, Login: "check@example.test"}, "while waiting for a reply")
}

func TestCheckRedis(t *testing.T) {
	need.Programs(t, "redis-server")
	run := func(more ...string) checked {
		port := process.FreePort(t)
		args := append([]string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir()}, more...)
		return on(t, process.Start(t, "redis-server", args...), port)
	}
	c := run("--requirepass", "secret")
	ping := checks.Target{Request: "/", Passwd: "secret"}
	c.well("redis", ping)
	c.well("redis", checks.Target{Request: "/", Login: "default", Passwd: "secret"})
	c.well("redis", checks.Target{Request: "/INFO replication", Passwd: "secret", Receive: matcher(t, `role:master`)})
	c.fails("redis", checks.Target{Request: "/INFO replication", Passwd: "secret", Receive: matcher(t, `role:slave`)}, checks.Mismatch, "does not match")
	c.fails("redis", checks.Target{Request: "/"}, checks.Auth, `PING "-NOAUTH `)
	c.fails("redis", checks.Target{Request: "/", Passwd: "other"}, checks.Auth, `AUTH "-WRONGPASS `)
	c.fails("redis", checks.Target{Request: "/NOTHING", Passwd: "secret"}, checks.Status, `NOTHING "-ERR unknown command`)
	c.fails("smtp", checks.Target{}, checks.Timeout, "while waiting for the greeting")
	c.hangsAndStops("redis", ping, "while waiting for the reply to AUTH")

	replica := run("--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "no")
	replica.fails("redis", checks.Target{Request: "/"}, checks.Status, `PING "-MASTERDOWN `)
	replica.fails("redis", checks.Target{Request: "/", Passwd: "secret"}, checks.Auth, `AUTH "-ERR AUTH <password> called without any password`)
}

// nnrpd of INN has a greeting of 2xx if it finds its index, and of 400 if not.
func TestCheckINN(t *testing.T) {
	const nnrpd = "/usr/lib/news/bin/nnrpd"
	need.Root(t)
	need.Programs(t, nnrpd)
	dir, port := process.Folder(t, ""), process.FreePort(t)
	folder(t, dir, "db", "run", "spool/overview", "log", "tmp")
	write(t, dir+"/inn.conf", fmt.Sprintf(`domain: example.test
pathhost: news.example.test
mta: "/bin/true %%s"
organization: test
ovmethod: tradindexed
hismethod: hisv6
pathnews: /usr/lib/news
pathdb: %[1]s/db
pathetc: %[1]s
pathrun: %[1]s/run
pathspool: %[1]s/spool
pathlog: %[1]s/log
pathtmp: %[1]s/tmp
nnrpdloadlimit: 0
`, dir))
	write(t, dir+"/readers.conf", "auth all {\n    hosts: \"*\"\n    default: \"<reader>\"\n}\naccess all {\n    users: \"*\"\n    newsgroups: \"*\"\n}\n")
	write(t, dir+"/storage.conf", "")
	write(t, dir+"/db/active", "control 0000000000 0000000001 n\njunk 0000000000 0000000001 n\n")
	write(t, dir+"/db/newsgroups", "")
	write(t, dir+"/db/history", "")
	t.Setenv("INNCONF", dir+"/inn.conf")
	process.Run(t, "chown", "-R", "news", dir)
	process.Run(t, "su", "news", "-s", "/bin/sh", "-c", "cd "+dir+" && /usr/lib/news/bin/makehistory -O -x")
	c := on(t, process.Start(t, nnrpd, "-D", "-f", "-p", port, "-b", "127.0.0.1"), port)
	c.well("nntp", checks.Target{})
	c.well("nntp", checks.Target{})
	c.fails("smtp", checks.Target{}, checks.Status, `HELO "500 `)
	must(t, os.Rename(dir+"/spool/overview/group.index", dir+"/index"))
	c.fails("nntp", checks.Target{}, checks.Status, `greeting "400 `)
	must(t, os.Rename(dir+"/index", dir+"/spool/overview/group.index"))
	c.hangsAndStops("nntp", checks.Target{}, "while waiting for the greeting")
}
