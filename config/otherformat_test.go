package config_test

import (
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

// TestOtherFormats: what is plainly no ldirectord.cf is called what it is, in
// one line.
func TestOtherFormats(t *testing.T) {
	for what, text := range map[string]string{
		"a keepalived.conf":       "! Configuration File\nglobal_defs {\n   router_id LVS\n}\nvirtual_server 10.0.0.1 80 {\n    delay_loop 6\n    real_server 10.0.0.2 80 {\n        weight 1\n    }\n}\n",
		"an haproxy.cfg":          "# web\nglobal\n    daemon\ndefaults\n    mode http\nfrontend www\n    bind :80\n    default_backend app\nbackend app\n    server a 10.0.0.2:80 check\n",
		"an nginx.conf":           "user www-data;\nworker_processes auto;\nevents {\n}\nhttp {\n    server {\n        listen 80;\n    }\n}\n",
		"a Piranha lvs.cf":        "serial_no = 7\nprimary = 10.0.0.1\nservice = lvs\nvirtual web {\n     active = 1\n}\n",
		"rules of ipvsadm":        "-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 1\n",
		"rules of a firewall":     "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n",
		"a shell script":          "#!/bin/sh\nset -e\necho hello\n",
		"an Apache configuration": "Listen 80\n<VirtualHost *:80>\n  ServerName www\n</VirtualHost>\n",
		"a web page":              "<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n",
		"XML":                     "<?xml version=\"1.0\"?>\n<cib>\n  <nodes/>\n</cib>\n",
		"a key or certificate":    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
		"a unit of systemd":       "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n",
		"a patch":                 "--- a/ldirectord.cf\n+++ b/ldirectord.cf\n@@ -1,2 +1,2 @@\n-x=1\n+y=1\n",
		"JSON":                    "{\n  \"services\": [\n    {\n      \"name\": \"web\"\n    }\n  ]\n}\n",
		"YAML":                    "services:\n  web:\n    ports:\n      - 80\n    image: nginx\n",
		"a list of hosts":         "127.0.0.1 localhost\n127.0.1.1 lb1\n10.0.0.2 web1\n::1 localhost\n",
		"kernel settings":         "net.ipv4.ip_forward = 1\nnet.ipv4.vs.conntrack = 1\nnet.ipv4.conf.all.rp_filter=0\nvm.swappiness=1\n",
		"a log":                   "Nov 29 22:10:11 lb1 kernel: IPVS: x\nNov 29 22:10:12 lb1 sshd[7]: y\nNov 29 22:10:12 lb1 sshd[7]: z\nNov 29 22:10:13 lb1 cron: z\n",
		"a program":               "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 99),
		"a gzip file":             "\x1f\x8b\x08\x00abcdef\n",
		"binary data":             strings.Repeat("\x00", 4096),
	} {
		ps := wrong(t, text, config.Options{})
		if want := "test.cf: error: this is " + what + ", not an ldirectord.cf\n"; report(t, ps) != want {
			t.Errorf("%s: told\n%s", what, report(t, ps))
		}
	}
	const begins = "\xff\xfev\x00i\x00r\x00t\x00u\x00a\x00l\x00=\x00\n\x00"
	if ps := wrong(t, begins, config.Options{}); report(t, ps) != "test.cf: error: this is text in UTF-16: save it as UTF-8\n" {
		t.Errorf("UTF-16: told\n%s", report(t, ps))
	}
	for _, log := range []string{
		"[Sun Nov 29 22:10:11 2026|ldirectord|77] Starting\n", "2026-11-29T22:10:11Z lb1 x\n", "[    1.234567] IPVS: Registered\n",
		"10.0.0.1 - - [29/Nov/2026:22:10:11 +0000] \"GET / HTTP/1.1\" 200 7\n", "time=2026-11-29T22:10:11Z level=INFO msg=x\n", "{\"time\":\"2026\",\"level\":\"INFO\"}\n",
	} {
		if ps := wrong(t, strings.Repeat(log, 9), config.Options{}); !strings.HasPrefix(ps.Error(), "test.cf: error: this is ") || len(ps) != 1 {
			t.Errorf("%s is told as %v", log, ps)
		}
	}
}

// TestAlmostOtherFormats: one mistake makes no other format of an
// ldirectord.cf.
func TestAlmostOtherFormats(t *testing.T) {
	for _, text := range []string{
		"virtual=10.0.0.1:80\n\treal=10.0.0.2:80 gate\nglobal_defs {\n}\n",
		"checktimeout: 5\n",
		"checktimeout=x\n",
		"server 10.0.0.1\n",
		"virtual=10.0.0.1:80\n\treal=10.0.0.2:80 gate\n" + strings.Repeat("\x00", 1000),
	} {
		for _, p := range wrong(t, text, config.Options{}) {
			if strings.Contains(p.Text, "this is") && p.Pos.Line == 0 {
				t.Errorf("%q: told %v", text, p)
			}
		}
	}
}

// TestEqualProblemsAreOne: a problem that comes again is told once, with its
// further lines.
func TestEqualProblemsAreOne(t *testing.T) {
	for text, want := range map[string]string{
		"x y z\n":                        "test.cf:1:1: error: this line is no directive (put",
		"x y z\n\nx y\n":                 "test.cf:1:1: error: this line is no directive; also on line 3 (put",
		strings.Repeat("x y z\n", 3):     "test.cf:1:1: error: this line is no directive; also on lines 2 and 3 (put",
		strings.Repeat("x y z\n", 6):     "; also on lines 2, 3, 4, 5 and 6 (put",
		strings.Repeat("x y z\n", 7):     "; also on lines 2, 3, 4, 5, 6 and 1 more (put",
		strings.Repeat("x y z\n", 70000): "; also on lines 2, 3, 4, 5, 6 and 69994 more (put",
	} {
		ps := wrong(t, text, config.Options{})
		if len(ps) != 1 || !strings.Contains(ps.Error(), want) {
			t.Errorf("%.30q: told %v, want %s", text, ps, want)
		}
		if errs, _ := ps.Counts(); errs != strings.Count(text, "x") {
			t.Errorf("%.30q: %d errors are counted", text, errs)
		}
	}
}

// TestErrorsBeforeWarnings: many warnings do not hide the one error, and what
// is not told is counted.
func TestErrorsBeforeWarnings(t *testing.T) {
	var b strings.Builder
	b.WriteString("virtual=192.0.2.80:80\n")
	for i := range 300 {
		b.WriteString("\tservicename=" + strings.Repeat("x", i+1) + "\n")
	}
	b.WriteString("\tbogus=1\n")
	ps := wrong(t, b.String(), config.Options{})
	errs, warnings := ps.Counts()
	if errs != 1 || warnings != 299 || len(ps) != 101 || !strings.Contains(ps.Error(), "test.cf:302:2: error: unknown directive `bogus`") ||
		!strings.Contains(ps.Error(), "test.cf: warning: 200 more warnings not shown") {
		t.Errorf("%d errors and %d warnings, %d told: %v", errs, warnings, len(ps), ps[len(ps)-2:])
	}
}
