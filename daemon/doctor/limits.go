package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/ipvs"
	"github.com/shunt-lb/shunt/proxy"
)

// flowPorts is [proxy.FlowPorts].
var flowPorts = proxy.FlowPorts

// The descriptors that a shunt needs at least: for the connections of a small
// proxy, and for one that only checks, beside one for each check at a time.
const (
	proxyFiles = 4096
	checkFiles = 256
)

// descriptors says whether shunt may open enough files.
func descriptors(_ context.Context, s *Subject) []Finding {
	var rl unix.Rlimit
	if err := unix.Prlimit(s.Process, unix.RLIMIT_NOFILE, nil, &rl); err != nil {
		return []Finding{unknown("the limit of open files of "+s.who(), err)}
	}
	have := rl.Max // Go raises the limit to it when shunt starts
	if s.Process != 0 {
		have = rl.Cur
	}
	need, breaks, pos := uint64(checkFiles+len(s.servers())), "checks fail for want of descriptors, and count for nothing", config.Pos{}
	if s.anyOnProxy() {
		need, breaks = max(need, proxyFiles), "the proxy takes few connections"
		if asked := uint64(s.Bounds().Files()); asked > need {
			need, breaks, pos = asked, "the proxy does not reach the connections and flows that the file allows", s.boundsAt()
		}
	}
	if have >= need {
		return nil
	}
	return []Finding{found(descriptorsFew, pos, "%s may open %d files, and needs %d", s.who(), have, need).
		breaks("%s", breaks).mend("LimitNOFILE=%d in the unit, or ulimit -Hn %d before the start", need, need)}
}

func (s *Subject) boundsAt() config.Pos {
	for _, name := range []string{"maxconnections", "maxflows"} {
		if o := s.Conf.Global.Origins[name]; o.Pos.Line > 0 {
			return o.Pos
		}
	}
	return config.Pos{}
}

// timeouts says whether IPVS forgets connections before their ends send keepalives.
func timeouts(ctx context.Context, s *Subject) []Finding {
	var v *config.Virtual
	for i := range s.Conf.Virtuals {
		o := &s.Conf.Virtuals[i]
		if v == nil && s.Lacks[o] == nil && s.InKernel(o) && o.ID.Protocol != dataplane.UDP {
			v = o
		}
	}
	if v == nil {
		return nil
	}
	forgets := s.Conf.Global.TCPTimeout
	if forgets == 0 {
		have, err := kernelTimeouts(ctx)
		if err != nil {
			return []Finding{unknown("timeouts of IPVS", err)}
		}
		forgets = have.TCP
	}
	keepalive, err := s.number("net.ipv4.tcp_keepalive_time")
	if err != nil {
		return []Finding{unknown("timeouts of IPVS", err)}
	}
	if forgets > time.Duration(keepalive)*time.Second {
		return nil
	}
	return []Finding{found(ipvsTimeout, s.Conf.Global.Origins["tcptimeout"].Pos,
		"IPVS forgets a TCP connection after %v of silence, keepalives come after %v (net.ipv4.tcp_keepalive_time of this host; that of clients and real servers cannot be seen)",
		forgets, time.Duration(keepalive)*time.Second).
		breaks("connections that are silent for longer, such as those of databases and shells, are reset").
		mend("tcptimeout = %d in the file; or a smaller net.ipv4.tcp_keepalive_time on the real servers", keepalive+300)}
}

func kernelTimeouts(ctx context.Context) (ipvs.Timeouts, error) {
	plane, err := ipvs.New(ipvs.Options{})
	if err != nil {
		return ipvs.Timeouts{}, err
	}
	have, err := plane.Timeouts(ctx)
	return have, errors.Join(err, plane.Close())
}

// clock says whether nothing keeps the clock right, which certificates need.
func clock(_ context.Context, s *Subject) []Finding {
	var x unix.Timex
	state, err := unix.Adjtimex(&x) // reads alone, with no modes
	if err != nil {
		return []Finding{unknown("the clock", err)}
	}
	if state != unix.TIME_ERROR && x.Status&unix.STA_UNSYNC == 0 {
		return nil
	}
	const mend = "timedatectl set-ntp true, or another client of NTP; timedatectl timesync-status"
	what := fmt.Sprintf("nothing keeps the clock of this host right: it is %s now", time.Now().UTC().Format(time.RFC3339))
	for i := range s.Conf.Virtuals {
		if v := &s.Conf.Virtuals[i]; v.SpeaksTLS() && v.Verify != "" && v.Verify != "no" {
			return []Finding{found(clockCertificates, v.Origins["verify"].Pos, "%s", what).
				breaks("checks take a good certificate for one that is not valid yet or no more: real servers count as down").mend(mend)}
		}
	}
	return []Finding{found(clockUnsynchronised, config.Pos{}, "%s", what).breaks("the times in logs do not agree with those of other hosts").mend(mend)}
}
