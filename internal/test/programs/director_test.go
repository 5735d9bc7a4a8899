package programs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

const vip = "127.0.0.1"

// reals are where the two real servers of a test are.
var reals = []string{"127.0.0.2", "127.0.0.3"}

// service is a section of ldirectord.cf: a virtual service on port of the VIP,
// and real servers at the same port of theirs.
func service(port string, servers []string, directives ...string) string {
	addrs := make([]string, len(servers))
	for i, addr := range servers {
		addrs[i] = addr + ":" + port
	}
	return section("", vip+":"+port, addrs, directives...)
}

// section is a virtual service of the family "" or "6".
func section(family, at string, servers []string, directives ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "virtual%s = %s\n", family, at)
	for _, addr := range servers {
		fmt.Fprintf(&b, "\treal%s = %s masq\n", family, addr)
	}
	for _, line := range directives {
		fmt.Fprintf(&b, "\t%s\n", line)
	}
	return b.String()
}

// A daemon is shunt at work.
type daemon struct {
	*process.Process
	t                    *testing.T
	file, control, admin string
}

// direct runs shunt with a configuration, and returns when all real servers
// are in use.
func direct(t *testing.T, sections ...string) *daemon {
	t.Helper()
	dir := t.TempDir()
	d := &daemon{
		t: t, file: filepath.Join(dir, "ldirectord.cf"), control: filepath.Join(dir, "control.sock"),
		admin: vip + ":" + process.FreePort(t),
	}
	d.write(t, sections...)
	d.Process = process.Start(t, shunt, "run", "--dataplane", "proxy", "--config", d.file, "--control", d.control, "--admin", d.admin)
	wait.Until(t, "all real servers are up", d.up)
	return d
}

func (d *daemon) write(t *testing.T, sections ...string) {
	t.Helper()
	write(t, d.file, "checktimeout = 10\ncheckinterval = 1\n"+strings.Join(sections, ""))
}

func (d *daemon) status() (s director.Status, err error) {
	out, err := exec.Command(shunt, "status", "--json", "--control", d.control).Output()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(out, &s)
}

func (d *daemon) up() bool {
	s, err := d.status()
	if err != nil || !s.Ready {
		return false
	}
	for _, v := range s.Services {
		for _, r := range v.Servers {
			if r.State != director.Up || v.Error != "" {
				return false
			}
		}
	}
	return true
}

// down waits until those of the real servers of a service that are at addrs are
// down, all others up, and the dataplane has it so.
func (d *daemon) down(service string, addrs ...string) {
	d.t.Helper()
	wait.Until(d.t, fmt.Sprintf("%s: down are %v", service, addrs), func() bool {
		v := d.service(service)
		for _, r := range v.Servers {
			addr, _, _ := strings.Cut(r.Server, ":")
			if (r.State == director.Up) == slices.Contains(addrs, addr) {
				return false
			}
		}
		return v.Served && v.FallbackActive == (len(addrs) == len(v.Servers))
	})
}

// why waits until a real server of a service fails its checks for a reason, and with
// words about it: the first that fails may meet a program that is still ending.
func (d *daemon) why(service, addr string, reason checks.Kind, words string) {
	d.t.Helper()
	what := fmt.Sprintf("%s, %s fails for %s with %q", service, addr, reason, words)
	wait.For(d.t, what, func() (seen string, ok bool) {
		for _, r := range d.service(service).Servers {
			if strings.HasPrefix(r.Server, addr+":") {
				return fmt.Sprintf("%s, %q", r.Reason, r.Result), r.Reason == reason && strings.Contains(r.Result, words)
			}
		}
		return "no such real server", false
	})
}

func (d *daemon) service(id string) director.ServiceStatus {
	d.t.Helper()
	s, err := d.status()
	must(d.t, err)
	i := slices.IndexFunc(s.Services, func(v director.ServiceStatus) bool { return v.Service == id })
	if i < 0 {
		d.t.Fatalf("no service %s", id)
	}
	return s.Services[i]
}

// check runs `shunt check` on the file and returns what it prints, in which
// none of the secrets may be, and its verdicts: for each real server of each
// service, in the order of the file, its address and all after "good" or
// "failed", without durations.
func (d *daemon) check(secrets ...string) (verdicts []string, text string) {
	d.t.Helper()
	out, err := exec.Command(shunt, "check", d.file).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		d.t.Fatalf("shunt check: %v\n%s", err, out)
	}
	text = string(out)
	for _, s := range secrets {
		if strings.Contains(text, s) {
			d.t.Errorf("shunt check prints the secret %q:\n%s", s, text)
		}
	}
	d.t.Logf("shunt check:\n%s", text)
	for _, v := range verdictLine.FindAllStringSubmatch(text, -1) {
		verdicts = append(verdicts, v[1]+": "+v[2])
	}
	return verdicts, text
}

// A verdict is four blanks, a word, a duration and the reason.
var verdictLine = regexp.MustCompile(`(?m)^    (good|failed) after [0-9.a-zµ]+: (.*)$`)

// verdicts wants those of `shunt check` to be these, in the order of the file.
func (d *daemon) verdicts(secrets []string, want ...string) {
	d.t.Helper()
	got, text := d.check(secrets...)
	if !slices.Equal(got, want) {
		d.t.Errorf("verdicts\n%s\nwant\n%s\nin\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), text)
	}
}

// reload puts a new configuration in force, as the operator does.
func (d *daemon) reload(sections ...string) {
	d.t.Helper()
	before, err := d.status()
	must(d.t, err)
	d.write(d.t, sections...)
	d.Signal(unix.SIGHUP)
	wait.Until(d.t, "reload", func() bool {
		s, err := d.status()
		return err == nil && s.Config.Reloads > before.Config.Reloads && s.Config.ReloadError == ""
	})
}

// carried wants at least so many connections, or flows, to have been given to
// the real servers of a service, and none of them to have failed.
func (d *daemon) carried(service string, least int) {
	d.t.Helper()
	d.took(service, least)
	if n := sum(d.metrics(), "shunt_service_connect_failures_total", service); n != 0 {
		d.t.Errorf("%s: %v attempts to reach a real server have failed", service, n)
	}
}

// took is carried for flows whose clients may go on when the server has ended:
// no client was refused, nobody had the fallback, and no real server has gone
// down since it came up.
func (d *daemon) took(service string, least int) {
	d.t.Helper()
	text := d.metrics()
	if n := sum(text, "shunt_service_connections_total", service); n < float64(least) {
		d.t.Errorf("%s: %v connections in the metrics, want %d or more", service, n, least)
	}
	for _, bad := range []string{"shunt_service_refused_connections_total", "shunt_service_fallback_connections_total"} {
		if n := sum(text, bad, service); n != 0 {
			d.t.Errorf("%s: %s is %v", service, bad, n)
		}
	}
	if n := sum(text, "shunt_real_server_checks_total", service, `result="failed"`); n != 0 {
		d.t.Errorf("%s: %v checks have failed", service, n)
	}
}

// each returns the connections that every real server has been given.
func (d *daemon) each(service string) []float64 {
	d.t.Helper()
	return slices.Collect(series(d.metrics(), "shunt_real_server_connections_total", service))
}

func (d *daemon) metrics() string {
	d.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: wait.Patience}
	resp, err := client.Get("http://" + d.admin + "/metrics")
	must(d.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(d.t, err)
	return string(text)
}

// series yields the values of one metric of one service, those with some more
// labels if there are any.
func series(text, metric, service string, more ...string) iter.Seq[float64] {
	labels := append(more, `service="`+service+`"`)
	return func(yield func(float64) bool) {
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
			lacks := func(label string) bool { return !strings.Contains(name, label) }
			if !strings.HasPrefix(name, metric+"{") || slices.ContainsFunc(labels, lacks) {
				continue
			}
			if v, err := strconv.ParseFloat(value, 64); err == nil && !yield(v) {
				return
			}
		}
	}
}

func sum(text, metric, service string, more ...string) (total float64) {
	for v := range series(text, metric, service, more...) {
		total += v
	}
	return total
}

// id is what shunt calls a service on port of the VIP.
func id(protocol, port string) string { return protocol + " " + vip + ":" + port }
