package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

// judged are configurations of all kinds, some of which are refused: on the
// proxy (p), on IPVS (k), on both (b).
var judged = []struct{ name, refused, text string }{
	{"empty", "", ""},
	{"a comment", "", "# nothing\n"},
	{"globals alone", "", "checktimeout=3\n"},
	{"one service", "", "%V%\n\treal=127.0.0.1:9 masq\n"},
	{"no servers", "", "%V%\n"},
	{"prose", "b", "hello world\n"},
	{"unknown directive", "b", "nonsense=1\n"},
	{"directive in the wrong place", "b", "scheduler=rr\n"},
	{"no number", "b", "checktimeout=often\n"},
	{"logfile info", "", "logfile=\"info\"\n%V%\n"},
	{"logfile local9", "", "logfile=\"local9\"\n%V%\n"},
	{"logfile local0.info", "", "logfile=\"local0.info\"\n%V%\n"},
	{"logfile local3", "", "logfile=\"local3\"\n%V%\n"},
	{"logfile", "", "logfile=\"%DIR%/log\"\n%V%\n"},
	{"logfile in no folder", "", "logfile=\"%DIR%/no/log\"\n%V%\n"},
	{"logfile that is a folder", "", "logfile=\"%DIR%\"\n%V%\n"},
	{"logfile, supervised", "", "supervised=yes\nlogfile=\"%DIR%/no/log\"\n%V%\n"},
	{"maintenancedir in no folder", "", "maintenancedir=%DIR%/no\n%V%\n"},
	{"maintenancedir in quotes", "", "maintenancedir=\"%DIR%\"\n%V%\n"},
	{"callback without a program", "", "callback=\"%DIR%/no\"\n%V%\n"},
	{"fallbackcommand without a program", "", "fallbackcommand=%DIR%/no start\n%V%\n"},
	{"bad mail addresses", "", "emailalert=root, nobody at all, a@b@c\n%V%\n"},
	{"service not supported", "b", "%V%\n\tservice=tomcat\n"},
	{"unknown dataplane", "b", "%V%\n\tdataplane=warp\n"},
	{"for the proxy", "", "%V%\n\tdataplane=proxy\n\treal=127.0.0.1:9 masq\n"},
	{"for ipvs", "p", "%V%\n\tdataplane=ipvs\n\treal=127.0.0.1:9 masq\n"},
	{"firewall mark", "p", "virtual=7\n\treal=127.0.0.1:9 gate\n"},
	{"firewall mark 0", "b", "virtual=0\n"},
	{"all ports", "b", "virtual=127.0.0.1:0\n\treal=127.0.0.1 gate\n"},
	{"all ports, persistent", "p", "virtual=127.0.0.1:0\n\tpersistent=60\n\tcheckport=80\n\treal=127.0.0.1 gate\n"},
	{"all ports, sorry", "b", "virtual=127.0.0.1:0\n\tpersistent=60\n\tcheckport=80\n\treal=127.0.0.1 gate\n\tfallback=sorry\n"},
	{"all ports, sorry for all", "b", "fallback=sorry\nvirtual=127.0.0.1:0\n\tpersistent=60\n\tcheckport=80\n\treal=127.0.0.1 gate\n"},
	{"all ports, a local fallback", "p", "virtual=127.0.0.1:0\n\tpersistent=60\n\tcheckport=80\n\treal=127.0.0.1 gate\n\tfallback=127.0.0.1 gate\n"},
	{"all addresses", "k", "virtual=0.0.0.0:%PORT%\n\treal=127.0.0.1:9 masq\n"},
	{"all addresses beside one", "k", "virtual=0.0.0.0:%PORT%\n%V%\n"},
	{"one beside all addresses", "k", "%V%\nvirtual=0.0.0.0:%PORT%\n"},
	{"all addresses beside one, udp", "k", "virtual=0.0.0.0:%PORT%\n\tprotocol=udp\n%V%\n\tprotocol=udp\n"},
	{"all addresses beside one, tcp and udp", "k", "virtual=0.0.0.0:%PORT%\n\tprotocol=udp\n%V%\n"},
	{"all addresses beside one of IPv6", "k", "virtual=0.0.0.0:%PORT%\nvirtual6=[::1]:%PORT%\n"},
	{"all addresses of IPv6 beside one", "k", "virtual6=[::]:%PORT%\nvirtual6=[::1]:%PORT%\n"},
	{"twice", "b", "%V%\n%V%\n"},
	{"multicast", "k", "virtual=224.0.0.1:80\n\treal=192.0.2.1:80 masq\n"},
	{"itself", "p", "%V%\n\treal=127.0.0.1:%PORT% masq\n"},
	{"each other", "p", "%V%\n\treal=127.0.0.2:%PORT% masq\nvirtual=127.0.0.2:%PORT%\n\treal=127.0.0.1:%PORT% masq\n"},
	{"each other, udp", "p", "%V%\n\tprotocol=udp\n\treal=127.0.0.2:%PORT% masq\nvirtual=127.0.0.2:%PORT%\n\tprotocol=udp\n\treal=127.0.0.1:%PORT% masq\n"},
	{"three in a circle", "p", "%V%\n\treal=127.0.0.2:%PORT% masq\nvirtual=127.0.0.2:%PORT%\n\treal=127.0.0.3:%PORT% masq\nvirtual=127.0.0.3:%PORT%\n\treal=127.0.0.1:%PORT% masq\n"},
	{"fallbacks of each other", "p", "%V%\n\tfallback=127.0.0.2:%PORT% masq\nvirtual=127.0.0.2:%PORT%\n\tfallback=127.0.0.1:%PORT% masq\n"},
	{"fallback that is the service", "", "%V%\n\tfallback=127.0.0.1:%PORT% gate\n"},
	{"fallback that is a server", "", "%V%\n\treal=127.0.0.1:9 masq\n\tfallback=127.0.0.1:9 masq\n"},
	{"sorry", "", "%V%\n\tfallback=sorry\n"},
	{"sorry gate", "b", "%V%\n\tfallback=sorry gate\n"},
	{"sorrypage that is not there", "", "sorrypage=%DIR%/no\n%V%\n\tfallback=sorry\n"},
	{"ops", "", "%V%\n\tprotocol=udp\n\tops=yes\n\treal=192.0.2.9:9 gate\n"},
	{"ops with masq", "", "%V%\n\tprotocol=udp\n\tops=yes\n\treal=127.0.0.1:9 masq\n"},
	{"ops with sorry", "k", "%V%\n\tprotocol=udp\n\tops=yes\n\treal=192.0.2.9:9 gate\n\tfallback=sorry\n"},
	{"ops with sorry for all", "k", "fallback=sorry\n%V%\n\tprotocol=udp\n\tops=yes\n\treal=192.0.2.9:9 gate\n"},
	{"ops with a local fallback", "", "%V%\n\tprotocol=udp\n\tops=yes\n\treal=192.0.2.9:9 gate\n\tfallback=127.0.0.1 gate\n"},
	{"ops on tcp", "", "%V%\n\tops=yes\n\treal=192.0.2.9:9 gate\n"},
	{"fallback6 in an IPv4 service", "k", "%V%\n\tfallback6=[::1]:80 gate\n"},
	{"a scheduler that is none", "b", "%V%\n\tscheduler=best\n"},
	{"a scheduler with a semicolon", "", "%V%\n\tscheduler=wrr;\n"},
	{"a flag of another scheduler", "b", "%V%\n\tscheduler=sh\n\tschedflags=mh-port\n"},
	{"an indented file", "", "  checktimeout=3\n  %V%\n        real=127.0.0.1:9 masq\n"},
	{"a list that is not there", "", "allow=@%DIR%/no\n%V%\n"},
	{"proxyprotocol", "k", "%V%\n\tproxyprotocol=v2\n\treal=127.0.0.1:9 masq\n"},
	{"maxconn", "k", "%V%\n\tmaxconn=3\n\treal=127.0.0.1:9 masq\n"},
	{"transparent", "", "%V%\n\treal=127.0.0.1:9 masq\n\ttransparent=no\n"},
	{"a tunnel without its port", "b", "tunneltype=gue\n%V%\n\treal=127.0.0.1:9 ipip\n"},
	{"a broken pattern", "b", "%V%\n\tservice=http\n\treceive=\"(\"\n"},
	{"thresholds the wrong way round", "b", "%V%\n\treal=127.0.0.1:9 masq l:9 u:1\n"},
	{"timeouts of IPVS", "", "tcptimeout=15m\n%V%\n"},
	{"a keepalived.conf", "b", "global_defs {\n}\nvirtual_server 10.0.0.1 80 {\n}\n"},
	{"strict", "b", "strict=yes\nlogfile=local0\n%V%\n"},
	{"a program that everybody may change", "", "fallbackcommand=%DIR%/open start\n%V%\n"},
	{"a program that everybody may change, strict", "b", "strict=yes\nfallbackcommand=%DIR%/open start\n%V%\n"},
	{"a check that everybody may change, strict", "b", "strict=yes\n%V%\n\tchecktype=external\n\tcheckcommand=%DIR%/open\n\treal=127.0.0.1:9 masq\n"},
	{"one more check that everybody may change, strict", "b", "strict=yes\n%V%\n\tcheck=external command=%DIR%/open\n\treal=127.0.0.1:9 masq\n"},
	{"a check that is not run, strict", "", "strict=yes\n%V%\n\tcheckcommand=%DIR%/open\n\treal=127.0.0.1:9 masq\n"},
	{"a program in a folder that everybody may change, strict", "b", "strict=yes\n%V%\n\tnotify=%DIR%/folder/program now\n\treal=127.0.0.1:9 masq\n"},
	{"a link to a program that everybody may change, strict", "b", "strict=yes\ncallback=\"%DIR%/link\"\n%V%\n"},
	{"a program of this host, strict", "", "strict=yes\nnotify=\"logger -t shunt\"\nfallbackcommand=/bin/true\n%V%\n"},
	{"control characters", "b", "%V%\n\x00\n"},
}

// TestRunAndCheckAgree: what `run` refuses, at its start or at a reload,
// `config check` refuses with the same words and the same status, and the
// other way round; and what both accept is served.
func TestRunAndCheckAgree(t *testing.T) {
	for _, tt := range judged {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			port := quiet(t)
			text := strings.NewReplacer("%V%", "virtual=127.0.0.1:"+port, "%PORT%", port, "%DIR%", dir).Replace(tt.text)
			makeOpen(t, dir)
			path := filepath.Join(dir, "test.cf")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for plane, letter := range map[string]string{onProxy: "p", onIPVS: "k"} {
				_, checked := Check(t.Context(), config.NewSource(path, []byte(text)), config.Options{}, plane)
				if refused := tt.refused == "b" || tt.refused == letter; refused != (checked != nil) {
					t.Errorf("check says of %s: %v, want refused %v", plane, checked, refused)
				}
				if got, want := verdict(reload(t, path, text, plane)), verdict(checked); got != want {
					t.Errorf("on %s check says\n%s\nand a reload\n%s", plane, want, got)
				}
			}
			_, checked := Check(t.Context(), config.NewSource(path, []byte(text)), config.Options{}, onProxy)
			if got, want := verdict(start(t, path)), verdict(checked); got != want {
				t.Errorf("check says\n%s\nand run\n%s", want, got)
			}
		})
	}
}

// makeOpen makes a program that everybody may change, a link to it, and a program
// in a folder that everybody may change.
func makeOpen(t *testing.T, dir string) {
	t.Helper()
	for _, program := range []string{"open", "folder/program"} {
		path := filepath.Join(dir, program)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(os.Chmod(filepath.Join(dir, "open"), 0o777), os.Chmod(filepath.Join(dir, "folder"), 0o777), os.Symlink("open", filepath.Join(dir, "link")))
	if err != nil {
		t.Fatal(err)
	}
}

// quiet is a port that nobody has, on any address, and that no client is given
// by the kernel.
func quiet(t *testing.T) string {
	t.Helper()
	for port := 20000 + os.Getpid()%5000; port < 32000; port++ {
		addr := fmt.Sprintf(":%d", port)
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		pc, err := net.ListenPacket("udp", addr)
		ln.Close()
		if err == nil {
			pc.Close()
			return fmt.Sprint(port)
		}
	}
	t.Fatal("no port is free")
	return ""
}

// reload parses a file as a daemon does that runs on a dataplane.
func reload(t *testing.T, path, text, plane string) error {
	t.Helper()
	d := New(Options{Config: path, Dataplane: onProxy, LogLevel: slog.LevelError + 1})
	for _, step := range []func(context.Context) error{d.openLog, d.openSorry, d.openDirector} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	d.plane.status.Name = plane
	_, err := d.parse(t.Context(), config.NewSource(path, []byte(text)))
	return err
}

// start runs a daemon on the proxy, and stops it when it has all services.
func start(t *testing.T, path string) error {
	t.Helper()
	d := New(Options{Config: path, Dataplane: onProxy, LogLevel: slog.LevelError + 1})
	if err := d.Start(t.Context()); err != nil {
		return err
	}
	defer func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := d.Reload(t.Context()); err != nil { // which waits for the dataplane
		return fmt.Errorf("reload: %w", err)
	}
	s, err := d.Status(t.Context())
	if err != nil {
		return err
	}
	for _, v := range s.Services {
		if v.Error != "" {
			t.Errorf("%s is not served: %s", v.ID, v.Error)
		}
	}
	return nil
}

// verdict is what people read, and the kind of the error, which makes the
// status.
func verdict(err error) string {
	var problems config.Problems
	var b bytes.Buffer
	switch {
	case err == nil:
		return "good"
	case !errors.As(err, &problems):
		return "status 1: " + err.Error()
	}
	if err := config.Report(&b, problems); err != nil {
		return err.Error()
	}
	return "status 2: " + b.String()
}

// TestUnknownDataplane: the flag is refused by both in the same words.
func TestUnknownDataplane(t *testing.T) {
	_, checked := Check(t.Context(), config.NewSource("test.cf", nil), config.Options{}, "warp")
	d := New(Options{Config: "test.cf", Dataplane: "warp", LogLevel: slog.LevelError + 1})
	if run := d.Start(t.Context()); run == nil || verdict(run) != verdict(checked) {
		t.Errorf("run says %v, check %v", run, checked)
	}
}
