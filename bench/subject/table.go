package subject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/ipvs"
)

// Serves reports whether the subject sends new connections to its real server
// i: by the kernel's table where the kernel forwards, and else by what the
// program says of itself. Only subjects that Checks can tell.
func (r *Running) Serves(ctx context.Context, i int) (bool, error) {
	ask := r.serves
	if r.Kernel {
		ask = inKernel
	}
	if ask == nil {
		return false, fmt.Errorf("%s does not tell which real servers are in service", r.Name)
	}
	ok, err := ask(ctx, r, i)
	if err != nil {
		return false, fmt.Errorf("ask whether %s serves by %v: %w", r.Name, r.Reals[i].Addr, err)
	}
	return ok, nil
}

// inKernel looks into the table of IPVS.
func inKernel(ctx context.Context, r *Running, i int) (serves bool, err error) {
	id := dataplane.ServiceID{Protocol: dataplane.TCP, Addr: r.VIP}
	if r.udp() {
		id.Protocol = dataplane.UDP
	}
	err = r.In.Do(func() error {
		d, err := ipvs.New(ipvs.Options{})
		if err != nil {
			return err
		}
		found, err := d.Find(ctx, []dataplane.ServiceID{id})
		serves = len(found) > 0 && slices.ContainsFunc(found[0].RealServers, func(s dataplane.RealServer) bool {
			return s.Addr == r.Reals[i].Addr && s.Weight > 0
		})
		return errors.Join(err, d.Close())
	})
	return serves, err
}

// inStatus asks shunt.
func inStatus(ctx context.Context, r *Running, i int) (bool, error) {
	st, err := admin.Dial(r.control()).Status(ctx)
	if err != nil {
		return false, err
	}
	for _, v := range st.Services {
		for _, s := range v.Servers {
			if s.Server == r.Reals[i].Addr.String() {
				// What was not put in force leaves the table as it was.
				return v.Error != "" || s.State == director.Up && s.Current > 0, nil
			}
		}
	}
	return false, nil
}

// inStats asks haproxy, of one server alone.
func inStats(ctx context.Context, r *Running, i int) (bool, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", r.stats())
	if err != nil {
		return false, err
	}
	defer c.Close()
	// 4 is a server, and servers are numbered from 1.
	if _, err := fmt.Fprintf(c, "show stat vs 4 %d\n", i+1); err != nil {
		return false, err
	}
	said, err := io.ReadAll(c)
	if err != nil {
		return false, err
	}
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	head, row := strings.Split(lines[0], ","), strings.Split(lines[len(lines)-1], ",")
	status, weight := slices.Index(head, "status"), slices.Index(head, "weight")
	if len(lines) != 2 || status < 0 || weight < 0 || len(row) < len(head) {
		return false, fmt.Errorf("it said %q", said)
	}
	up := strings.HasPrefix(row[status], "UP") || row[status] == "no check"
	return up && row[weight] != "0", nil
}
