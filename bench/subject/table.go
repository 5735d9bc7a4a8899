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

// Serves returns which of these real servers, by their number, the subject
// sends new connections to: by the kernel's table where the kernel forwards,
// and else by what the program says of itself. Only subjects that Checks can
// tell.
func (r *Running) Serves(ctx context.Context, reals []int) (map[int]bool, error) {
	ask := r.serves
	if r.Kernel {
		ask = inKernel
	}
	if ask == nil {
		return nil, fmt.Errorf("%s does not tell which real servers are in service", r.Name)
	}
	serving, err := ask(ctx, r, reals)
	if err != nil {
		return nil, fmt.Errorf("ask %s which real servers are in service: %w", r.Name, err)
	}
	return serving, nil
}

// inKernel looks into the table of IPVS.
func inKernel(ctx context.Context, r *Running, reals []int) (map[int]bool, error) {
	serving := map[int]bool{}
	id := dataplane.ServiceID{Protocol: dataplane.TCP, Addr: r.VIP}
	if r.udp() {
		id.Protocol = dataplane.UDP
	}
	err := r.In.Do(func() error {
		d, err := ipvs.New(ipvs.Options{})
		if err != nil {
			return err
		}
		found, err := d.Find(ctx, []dataplane.ServiceID{id})
		for _, i := range reals {
			serving[i] = len(found) > 0 && slices.ContainsFunc(found[0].RealServers, func(s dataplane.RealServer) bool {
				return s.Addr == r.Reals[i].Addr && s.Weight > 0
			})
		}
		return errors.Join(err, d.Close())
	})
	return serving, err
}

// inStatus asks shunt.
func inStatus(ctx context.Context, r *Running, reals []int) (map[int]bool, error) {
	st, err := admin.Dial(r.control()).Status(ctx)
	if err != nil {
		return nil, err
	}
	up := map[string]bool{}
	for _, v := range st.Services {
		for _, s := range v.Servers {
			// A configuration with an error leaves the table as it was.
			up[s.Server] = v.Error != "" || s.State == director.Up && s.Current > 0
		}
	}
	serving := map[int]bool{}
	for _, i := range reals {
		serving[i] = up[r.Reals[i].Addr.String()]
	}
	return serving, nil
}

// inStats asks haproxy, of each server alone.
func inStats(ctx context.Context, r *Running, reals []int) (map[int]bool, error) {
	serving := map[int]bool{}
	for _, i := range reals {
		var err error
		if serving[i], err = inStat(ctx, r, i); err != nil {
			return nil, err
		}
	}
	return serving, nil
}

func inStat(ctx context.Context, r *Running, i int) (bool, error) {
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
