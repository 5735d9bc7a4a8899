package subject

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

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

// Removed returns when real servers, by their number, went out of service, by
// the subject's own word: the way to ask costs it nothing at the time. Only
// subjects that have Tells can say it.
func (r *Running) Removed(ctx context.Context) (map[int]time.Time, error) {
	at, err := r.removed(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("ask %s which real servers went out of service: %w", r.Name, err)
	}
	return at, nil
}

func removedByWord(_ context.Context, r *Running) (map[int]time.Time, error) {
	return r.said.removed(), nil
}

// Failed returns how many checks have failed by the subject's own count, and
// nil if it has none.
func (r *Running) Failed(ctx context.Context) (*uint64, error) {
	if r.failed == nil {
		return nil, nil
	}
	n, err := r.failed(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("ask %s how many checks failed: %w", r.Name, err)
	}
	return &n, nil
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

func removedInStatus(ctx context.Context, r *Running) (map[int]time.Time, error) {
	at := map[int]time.Time{}
	err := r.eachServer(ctx, func(i int, s *director.ServerStatus) {
		if s.State == director.Down {
			at[i] = s.Since
		}
	})
	return at, err
}

func failedInStatus(ctx context.Context, r *Running) (n uint64, err error) {
	err = r.eachServer(ctx, func(_ int, s *director.ServerStatus) { n += s.ChecksBad })
	return n, err
}

// eachServer calls do with the status of each real server of shunt, by its
// number.
func (r *Running) eachServer(ctx context.Context, do func(i int, s *director.ServerStatus)) error {
	st, err := admin.Dial(r.control()).Status(ctx)
	if err != nil {
		return err
	}
	number := map[string]int{}
	for i, real := range r.Reals {
		number[real.Addr.String()] = i
	}
	for _, v := range st.Services {
		for i := range v.Servers {
			do(number[v.Servers[i].Server], &v.Servers[i])
		}
	}
	return nil
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
	// Servers are numbered from 1.
	rows, err := haproxyStats(ctx, r, i+1)
	if err != nil {
		return false, err
	}
	if len(rows) != 1 {
		return false, fmt.Errorf("it has %d servers of number %d", len(rows), i+1)
	}
	status := rows[0]["status"]
	up := strings.HasPrefix(status, "UP") || status == "no check"
	return up && rows[0]["weight"] != "0", nil
}

func failedInStats(ctx context.Context, r *Running) (n uint64, err error) {
	rows, err := haproxyStats(ctx, r, -1)
	for _, row := range rows {
		failed, _ := strconv.ParseUint(row["chkfail"], 10, 64) // empty without checks
		n += failed
	}
	return n, err
}

// haproxyStats asks haproxy about server i, at -1 about all: a map from the
// names of the columns for each.
func haproxyStats(ctx context.Context, r *Running, i int) ([]map[string]string, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", r.stats())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	// 4 is a server.
	if _, err := fmt.Fprintf(c, "show stat vs 4 %d\n", i); err != nil {
		return nil, err
	}
	said, err := csv.NewReader(c).ReadAll()
	if err != nil || len(said) == 0 {
		return nil, fmt.Errorf("it said %q: %w", said, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	var rows []map[string]string
	for _, line := range said[1:] {
		row := map[string]string{}
		for k, name := range said[0] {
			row[name] = line[k]
		}
		rows = append(rows, row)
	}
	return rows, nil
}
