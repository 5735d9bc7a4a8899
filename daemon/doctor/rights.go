package doctor

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// rights says which capabilities the services need and shunt does not have.
func rights(_ context.Context, s *Subject) (all []Finding) {
	caps, err := capabilities(s.Process)
	if err != nil {
		return []Finding{unknown("rights", err)}
	}
	if s.Process == 0 && caps == 0 && os.Geteuid() != 0 {
		return []Finding{unknown("rights", fmt.Errorf("run doctor as the user that shunt runs as, or while it runs"))}
	}
	for _, need := range []struct {
		capability uint
		code       Code
		name       string
		why        func(*Subject) (string, config.Pos)
	}{
		{unix.CAP_NET_ADMIN, noNetAdmin, "CAP_NET_ADMIN", adminFor},
		{unix.CAP_NET_BIND_SERVICE, noBindService, "CAP_NET_BIND_SERVICE", bindFor},
		{unix.CAP_NET_RAW, noNetRaw, "CAP_NET_RAW", rawFor},
	} {
		if why, pos := need.why(s); why != "" && caps&(1<<need.capability) == 0 {
			all = append(all, found(need.code, pos, "%s has no %s", s.who(), need.name).breaks("%s", why).
				mend("AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW in the unit, or run it as root"))
		}
	}
	return all
}

// who names the process whose rights and limits are examined.
func (s *Subject) who() string {
	if s.Process != 0 {
		return fmt.Sprintf("the running shunt (process %d)", s.Process)
	}
	return "this process, as a shunt that it would start,"
}

// adminFor says what needs CAP_NET_ADMIN, "" for nothing.
func adminFor(s *Subject) (string, config.Pos) {
	for i := range s.Conf.Virtuals {
		v := &s.Conf.Virtuals[i]
		switch {
		case s.InKernel(v):
			return fmt.Sprintf("IPVS cannot be programmed: %s is not forwarded", v.ID), v.Pos
		case v.Interface != "":
			return fmt.Sprintf("%s is not put on %s", v.ID.Addr.Addr(), v.Interface), v.Origins["interface"].Pos
		case v.Transparent:
			return "real servers do not see the address of the client, as `transparent` wants it", v.Origins["transparent"].Pos
		}
	}
	return "", config.Pos{}
}

// bindFor says what needs CAP_NET_BIND_SERVICE, "" for nothing.
func bindFor(s *Subject) (string, config.Pos) {
	first := 1024
	if text, err := s.Settings.Get("net.ipv4.ip_unprivileged_port_start"); err == nil {
		first, _ = strconv.Atoi(text)
	}
	for i := range s.Conf.Virtuals {
		v := &s.Conf.Virtuals[i]
		if !s.InKernel(v) && v.ID.Protocol != dataplane.FWMark && int(v.ID.Addr.Port()) < first {
			return fmt.Sprintf("the proxy cannot listen on %s", v.ID), v.Pos
		}
	}
	return "", config.Pos{}
}

// rawFor says what needs CAP_NET_RAW, "" for nothing.
func rawFor(s *Subject) (string, config.Pos) {
	for i := range s.Conf.Virtuals {
		v := &s.Conf.Virtuals[i]
		switch {
		case v.Interface != "":
			return fmt.Sprintf("nobody is told that %s is here now: after a failover clients go on to the other director until their routers forget it", v.ID.Addr.Addr()),
				v.Origins["interface"].Pos
		case v.CheckPath == config.CheckPathVIP && s.InKernel(v):
			return "nobody watches whether real servers answer for the address", v.Origins["checkpath"].Pos
		}
	}
	return "", config.Pos{}
}

// capabilities returns the effective ones of a process, 0 for this one.
func capabilities(pid int) (uint64, error) {
	name := "self"
	if pid != 0 {
		name = strconv.Itoa(pid)
	}
	f, err := os.Open("/proc/" + name + "/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "CapEff:"); ok {
			return strconv.ParseUint(strings.TrimSpace(text), 16, 64)
		}
	}
	return 0, fmt.Errorf("%s has no CapEff: %w", f.Name(), lines.Err())
}
