package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/host/claim"
	"github.com/shunt-lb/shunt/ipvs"
)

const (
	trialClaim     = "check by the VIP" // held while there are paths for checks by hand
	trialPathsTime = 5 * time.Second    // to set or to remove them
	// pathScheduler is the module of the one that paths have.
	pathScheduler = "ip_vs_rr"
)

// ipvsTable is there while the module is loaded. It is a variable for tests.
var ipvsTable = "/proc/net/ip_vs"

// PathsForTrials sets paths for those of all that are to be made by the VIP as
// well, on marks that no director uses, and loads no module that stays. done
// removes them. Where there are none the trials say why.
func PathsForTrials(ctx context.Context, all []director.Trial) (done func() error) {
	done = func() error { return nil }
	why := func(err error) {
		for i := range all {
			if t := &all[i]; t.Path.VIP.IsValid() && t.NotByVIP == "" {
				t.Path.Mark, t.NotByVIP = 0, err.Error()
			}
		}
	}
	for i := range all {
		if t := &all[i]; t.Path.VIP.IsValid() && !dataplaneOf(t.Virtual, onIPVS).inKernel {
			t.NotByVIP = "the service is on the proxy"
		}
	}
	list := director.TrialPaths(all)
	if len(list) == 0 {
		return done
	}
	remove, err := setTrialPaths(ctx, list)
	if err != nil {
		why(err)
		return done
	}
	return remove
}

// setTrialPaths sets paths. One process at a time has such ones: what is there
// before is of a process that was killed.
func setTrialPaths(ctx context.Context, list []dataplane.Path) (remove func() error, err error) {
	if _, err := os.Stat(ipvsTable); errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("IPVS is not loaded, and a check changes nothing that stays: run modprobe ip_vs first")
	}
	c := claim.New(trialClaim)
	if !c.Ours() {
		if claim.Held(trialClaim) {
			return nil, errors.New("another `shunt check` makes checks by the VIP: wait for its end")
		}
		return nil, errors.New("a process of another user holds what only one `shunt check` may have")
	}
	plane, err := newIPVS(ipvs.Options{})
	if err != nil {
		c.Close()
		return nil, err
	}
	loaded := loadedModule(pathScheduler)
	remove = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), trialPathsTime) // although the checks were interrupted
		defer cancel()
		err := errors.Join(plane.SetTrialPaths(ctx, nil), plane.Close())
		if !loaded {
			_ = unix.DeleteModule(pathScheduler, unix.O_NONBLOCK) // it stays if somebody uses it by now
		}
		c.Close()
		if err != nil {
			return fmt.Errorf("services for checks by the VIP may be left, `ipvsadm -L` shows them as FWM %d and up: %w", dataplane.FirstTrialMark, err)
		}
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, trialPathsTime)
	defer cancel()
	if err := plane.SetTrialPaths(limited, list); err != nil {
		return nil, errors.Join(err, remove())
	}
	return remove, nil
}

func loadedModule(name string) bool {
	_, err := os.Stat("/sys/module/" + name)
	return err == nil
}
