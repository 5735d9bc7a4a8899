package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/ipvs"
)

// others says which other programs direct the same services.
func others(_ context.Context, s *Subject) (all []Finding) {
	for _, pid := range directors() {
		if pid == s.Process {
			continue // shunt itself, under that name
		}
		all = append(all, found(otherDirector, config.Pos{}, "ldirectord runs on this host, too (process %d)", pid).
			breaks("both write the kernel's table, each as its own checks say").mend("systemctl disable --now ldirectord; or kill %d", pid))
	}
	listed, err := ipvs.Listed()
	if err != nil {
		return append(all, unknown("services of other programs", err))
	}
	for _, p := range s.InTheWay(listed) {
		all = append(all, found(ipvsInTheWay, p.Pos, "%s", p.Text).breaks("the proxy gets no client").mend("%s", p.Hint))
	}
	return append(all, s.foreign(listed)...)
}

// foreign is about services of the kernel that the configuration does not have.
func (s *Subject) foreign(listed []dataplane.ServiceID) (all []Finding) {
	own := map[dataplane.ServiceID]bool{}
	for i := range s.Conf.Virtuals {
		own[s.Conf.Virtuals[i].ID] = true
	}
	vips, elsewhere := s.vips(), []string{}
	for _, id := range listed {
		switch v := vips[id.Addr.Addr()]; {
		case own[id]:
		case v == nil:
			elsewhere = append(elsewhere, id.String())
		default:
			all = append(all, found(foreignService, v.Pos, "the kernel has %s, which is not in the file", id).
				breaks("nobody checks its real servers, unless another program does").mend("ipvsadm -D -%.1s %s", id.Protocol, id.Addr))
		}
	}
	if len(elsewhere) > 0 {
		slices.Sort(elsewhere)
		const shown = 5
		text := strings.Join(elsewhere[:min(shown, len(elsewhere))], ", ")
		if more := len(elsewhere) - shown; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		all = append(all, found(foreignTable, config.Pos{}, "the kernel has services of other addresses, which shunt leaves alone: %s", text))
	}
	return all
}

// directors returns the processes of ldirectord in this network namespace.
func directors() (all []int) {
	here, err := os.Readlink("/proc/self/ns/net")
	dirs, globErr := filepath.Glob("/proc/[0-9]*")
	if errors.Join(err, globErr) != nil {
		return nil
	}
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		name := command(pid)
		if name != "ldirectord" && !strings.HasPrefix(name, "ldirectord ") {
			continue
		}
		if there, err := os.Readlink(filepath.Join(dir, "ns/net")); err == nil && there == here {
			all = append(all, pid)
		}
	}
	return all
}
