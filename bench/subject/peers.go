package subject

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// haproxy is configured with splicing of large transfers, without logs of
// connections, and with a thread for each processor.
func haproxy() *Subject {
	return &Subject{
		Name: "haproxy", program: "haproxy",
		version: []string{"-v"},
		file:    "haproxy.cfg",
		config:  haproxyConfig,
		args:    func(_ *Setting, config string) []string { return []string{"-W", "-f", config} },
		refuse: func(s *Setting) error {
			if s.udp() {
				return errors.New("haproxy does not carry UDP")
			}
			_, err := balance(s, map[string]string{"wrr": "roundrobin", "rr": "roundrobin", "lc": "leastconn", "wlc": "leastconn", "sh": "source"})
			return err
		},
		reloads: unix.SIGUSR2,
		heeds:   "Reloading HAProxy",
		serves:  inStats, removed: removedByWord, failed: failedInStats,
		leaves: regexp.MustCompile(`(?m)^(\S+) Server vs/r(\d+) is DOWN`),
	}
}

func (s *Setting) stats() string { return filepath.Join(s.Dir, "admin.sock") }

func haproxyConfig(s *Setting) string {
	var b strings.Builder
	hold := s.hold()
	how, _ := balance(s, map[string]string{"wrr": "roundrobin", "rr": "roundrobin", "lc": "leastconn", "wlc": "leastconn", "sh": "source"})
	fmt.Fprintf(&b, "global\n\tnbthread %d\n\tmaxconn %d\n", s.workers(), hold)
	fmt.Fprintf(&b, "\tstats socket %s mode 600 level admin\n", s.stats())
	if s.HealthPort > 0 {
		// Lines with the time of each change, and nothing about connections.
		b.WriteString("\tlog stdout format iso local0 notice\n")
	}
	fmt.Fprintf(&b, "defaults\n\tmode tcp\n\tmaxconn %d\n\tbacklog 32768\n", hold)
	b.WriteString("\ttimeout client 15m\n\ttimeout server 15m\n\toption redispatch 1\n")
	fmt.Fprintf(&b, "\ttimeout connect %ds\n", s.connect())
	if s.Interval > 0 {
		fmt.Fprintf(&b, "\ttimeout check %ds\n", s.seconds())
	}
	if s.HealthPort > 0 {
		b.WriteString("\tlog global\n")
		if s.Check == CheckHTTP {
			b.WriteString("\toption httpchk GET /\n")
		}
	}
	if s.Bulk {
		b.WriteString("\toption splice-auto\n\toption splice-request\n\toption splice-response\n")
	}
	fmt.Fprintf(&b, "listen vs\n\tbind %v\n\tbalance %s\n", s.VIP, how)
	for i, r := range s.Reals {
		fmt.Fprintf(&b, "\tserver r%d %v weight %d", i+1, r.Addr, weight(s, r))
		if s.Interval > 0 {
			fmt.Fprintf(&b, " check inter %dms fall 1 rise 1", s.Interval.Milliseconds())
			if s.HealthPort > 0 {
				fmt.Fprintf(&b, " port %d", s.HealthPort)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// streamModule is Debian's path of nginx's module for TCP and UDP.
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

// nginx has a worker for each processor and passes on half-closed connections,
// as the others do.
func nginx() *Subject {
	return &Subject{
		Name: "nginx", program: "nginx",
		version: []string{"-v"},
		file:    "nginx.conf",
		config:  nginxConfig,
		args:    func(s *Setting, config string) []string { return []string{"-p", s.Dir, "-c", config} },
		refuse: func(s *Setting) error {
			_, err := balance(s, nginxBalance)
			return err
		},
		reloads: unix.SIGHUP,
	}
}

var nginxBalance = map[string]string{"wrr": "", "rr": "", "lc": "least_conn;", "wlc": "least_conn;", "sh": "hash $remote_addr;", "mh": "hash $remote_addr consistent;"}

func nginxConfig(s *Setting) string {
	var b strings.Builder
	if _, err := os.Stat(streamModule); err == nil {
		fmt.Fprintf(&b, "load_module %s;\n", streamModule)
	}
	if text, err := os.ReadFile("/proc/self/setgroups"); err == nil && strings.TrimSpace(string(text)) == "deny" {
		// A worker cannot set its groups in the namespace, so that the master
		// does the work.
		b.WriteString("master_process off;\n")
	}
	how, _ := balance(s, nginxBalance)
	fmt.Fprintf(&b, "daemon off;\nuser root;\nworker_processes %d;\nworker_rlimit_nofile %d;\n", s.workers(), s.descriptors()*s.hold()+400)
	fmt.Fprintf(&b, "pid %s/nginx.pid;\nerror_log %s/error.log crit;\n", s.Dir, s.Dir)
	fmt.Fprintf(&b, "events {\n\tworker_connections %d;\n\tmulti_accept on;\n}\n", 2*s.hold()+200)
	fmt.Fprintf(&b, "stream {\n\tupstream reals {\n\t\t%s\n", how)
	for _, r := range s.Reals {
		fmt.Fprintf(&b, "\t\tserver %v %s;\n", r.Addr, nginxWeight(s, r))
	}
	fmt.Fprintf(&b, "\t}\n\tserver {\n\t\tlisten %v %s;\n\t\tproxy_pass reals;\n\t\tproxy_connect_timeout %ds;\n", s.VIP, nginxListen(s), s.connect())
	switch {
	case s.udp():
		b.WriteString("\t\tproxy_timeout 30s;\n")
	case s.Bulk:
		b.WriteString("\t\tproxy_timeout 15m;\n\t\tproxy_half_close on;\n\t\tproxy_buffer_size 64k;\n")
	default:
		b.WriteString("\t\tproxy_timeout 15m;\n\t\tproxy_half_close on;\n")
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

func nginxListen(s *Setting) string {
	if s.udp() {
		return "udp reuseport"
	}
	return "reuseport backlog=32768"
}

// nginxWeight returns the weight of a real server. Instead of checks nginx avoids
// a server for the interval after a failure.
func nginxWeight(s *Setting, r Real) string {
	if r.Weight == 0 {
		return "down"
	}
	if s.Interval == 0 {
		return fmt.Sprintf("weight=%d max_fails=0", weight(s, r))
	}
	return fmt.Sprintf("weight=%d max_fails=1 fail_timeout=%ds", weight(s, r), s.seconds())
}

// keepalived runs with its checkers alone, without VRRP.
func keepalived() *Subject {
	return &Subject{
		Name: "keepalived", Kernel: true, program: "keepalived",
		version: []string{"--version"},
		file:    "keepalived.conf",
		config:  keepalivedConfig,
		args: func(s *Setting, config string) []string {
			return []string{
				"--check", "--dont-fork", "--use-file", config, "--log-console",
				"--pid", filepath.Join(s.Dir, "main.pid"), "--checkers_pid", filepath.Join(s.Dir, "checkers.pid"),
			}
		},
		reloads: unix.SIGHUP,
	}
}

func keepalivedConfig(s *Setting) string {
	var b strings.Builder
	kind := map[dataplane.Forward]string{dataplane.Gate: "DR", dataplane.Masq: "NAT", dataplane.IPIP: "TUN"}[s.Forward]
	protocol := "TCP"
	if s.udp() {
		protocol = "UDP"
	}
	fmt.Fprintf(&b, "virtual_server %v %d {\n\tdelay_loop %d\n\tlb_algo %s\n\tlb_kind %s\n\tprotocol %s\n",
		s.VIP.Addr(), s.VIP.Port(), s.seconds(), s.scheduler(), kind, protocol)
	for _, r := range s.Reals {
		fmt.Fprintf(&b, "\treal_server %v %d {\n\t\tweight %d\n", r.Addr.Addr(), r.Addr.Port(), r.Weight)
		if s.Interval > 0 {
			check := "TCP_CHECK {"
			switch {
			case s.HealthPort > 0 && s.Check != CheckHTTP:
				check = fmt.Sprintf("TCP_CHECK {\n\t\t\tconnect_port %d", s.HealthPort)
			case s.HealthPort > 0:
				check = fmt.Sprintf("HTTP_GET {\n\t\t\turl {\n\t\t\t\tpath /\n\t\t\t\tstatus_code 200\n\t\t\t}\n\t\t\tconnect_port %d", s.HealthPort)
			}
			fmt.Fprintf(&b, "\t\t%s\n\t\t\tconnect_timeout %d\n\t\t\tretry 0\n\t\t\tdelay_loop %d\n\t\t\twarmup 0\n\t\t}\n", check, s.seconds(), s.seconds())
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// balance returns a program's name for a scheduler of IPVS.
func balance(s *Setting, words map[string]string) (string, error) {
	word, ok := words[s.scheduler()]
	if !ok {
		return "", fmt.Errorf("has no scheduler like %s", s.scheduler())
	}
	return word, nil
}

// weight returns the weight of r, at most 1 if the scheduler ignores weights. It
// is 0 for a real server that takes no new connections.
func weight(s *Setting, r Real) int {
	switch s.scheduler() {
	case "rr", "lc":
		return min(r.Weight, 1)
	}
	return r.Weight
}

// hasIPVS returns an error where the kernel has none.
func hasIPVS() error {
	if _, err := os.Stat("/proc/net/ip_vs"); err != nil {
		return errors.New("the kernel has no IPVS, or its module ip_vs is not loaded")
	}
	return nil
}
