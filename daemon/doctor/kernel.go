package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/ipvs"
)

// The places of modules; they are variables for tests.
var (
	loadedModules    = "/sys/module"
	installedModules = "/lib/modules"
)

// kernel says which parts of IPVS the kernel lacks.
func kernel(_ context.Context, s *Subject) (all []Finding) {
	if len(s.Without) > 0 && len(s.Lacks) == 0 && len(s.Conf.Virtuals) > 0 {
		all = append(all, found(proxyInstead, config.Pos{}, "all services are on the proxy: %s", lack(errors.Join(s.Without...))))
	}
	said := map[string]bool{}
	for i := range s.Conf.Virtuals {
		v := &s.Conf.Virtuals[i]
		if err := s.Lacks[v]; err != nil {
			if !said[err.Error()] {
				said[err.Error()] = true
				all = append(all, found(ipvsMissing, v.Pos, "%s is for IPVS: %s", v.ID, lack(err)).
					breaks("no service for IPVS is forwarded").fixed(modprobe("ip_vs")).
					mend("modprobe ip_vs; if there is none, install the package with the kernel's network modules"))
			}
			continue
		}
		if !s.InKernel(v) || said[v.Scheduler] {
			continue
		}
		said[v.Scheduler] = true
		if f, ok := scheduler(v); ok {
			all = append(all, f)
		}
	}
	return all
}

// lack says why there is no dataplane.
func lack(err error) string {
	if errors.Is(err, ipvs.ErrNoIPVS) {
		return "this kernel has no IPVS"
	}
	return err.Error()
}

// scheduler reports whether the scheduler of v is not there, or that it cannot be
// told.
func scheduler(v *config.Virtual) (Finding, bool) {
	module := "ip_vs_" + v.Scheduler
	if _, err := os.Stat(filepath.Join(loadedModules, module)); err == nil {
		return Finding{}, false
	}
	release, err := kernelRelease()
	if err != nil {
		return unknown("the module "+module, err), true
	}
	there, err := installed(filepath.Join(installedModules, release), module)
	switch {
	case err != nil:
		return unknown("the module "+module, err), true
	case there:
		return Finding{}, false // the kernel loads it with the service
	}
	return found(schedulerMissing, v.Pos, "the kernel %s has no module %s, the scheduler of %s", release, module, v.ID).
		breaks("the service is not forwarded").
		mend("apt install linux-modules-extra-%s, or its like; or scheduler = wlc in the file", release), true
}

func kernelRelease() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

// installed reports whether the lists of modules in dir have one.
func installed(dir, module string) (bool, error) {
	known := false
	for _, list := range []string{"modules.builtin", "modules.dep"} {
		f, err := os.Open(filepath.Join(dir, list))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		known = true
		there, err := lists(f, module)
		_ = f.Close()
		if there || err != nil {
			return there, err
		}
	}
	if !known {
		return false, fmt.Errorf("there is no list of modules in %s", dir)
	}
	return false, nil
}

// lists reports whether a list of modules has one: each line begins with a path
// such as kernel/net/netfilter/ipvs/ip_vs_wlc.ko.xz.
func lists(f *os.File, module string) (bool, error) {
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		path, _, _ := strings.Cut(lines.Text(), ":")
		name, _, _ := strings.Cut(filepath.Base(path), ".ko")
		if strings.ReplaceAll(name, "-", "_") == module {
			return true, nil
		}
	}
	return false, lines.Err()
}
