package ipvs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	moby "github.com/moby/ipvs"
	"github.com/sirupsen/logrus"

	"github.com/shunt-lb/shunt/dataplane"
)

// patience is how long the kernel may take for one call. It takes well under a
// millisecond, and a tenth of a second to load a scheduler.
const patience = 10 * time.Second

// errStuck is the error of a call that was broken off. Whether it had its
// effect is not known.
var errStuck = errors.New("the kernel did not answer in time")

// A library is the handle of moby/ipvs. Two calls at once would take each
// other's answers and wait for ever: its owner makes one at a time. A call
// that does not return is broken off by closing the handle, and the next one
// opens another.
type library struct {
	log      *slog.Logger
	patience time.Duration
	home     string // the network namespace
	handle   *moby.Handle
}

// libraryFamily is the number of the kernel's interface that the library has found, once
// in the life of the process: after the module was loaded again it has another
// one, and the library is of no use any more.
var libraryFamily = sync.OnceValue(func() uint16 {
	family, _ := findFamily()
	return family
})

// speaks reports whether the library knows the kernel's interface by its number.
func (l *library) speaks(family uint16) bool { return family == libraryFamily() }

// quiet turns off what the library logs by way of another one: that it could
// not run modprobe, which the kernel does by itself.
var quiet = sync.OnceFunc(func() { logrus.SetOutput(io.Discard) })

// open makes the handle, in the network namespace of the calling thread.
func (l *library) open(log *slog.Logger) error {
	quiet()
	l.log, l.patience = log, patience
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.home = here()
	return l.reopen()
}

// reopen makes a handle where there is none.
func (l *library) reopen() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if l.handle != nil {
		return nil
	}
	if now := here(); now != l.home {
		return fmt.Errorf("open a netlink socket for IPVS: called in network namespace %s, not in %s", now, l.home)
	}
	libraryFamily()
	h, err := moby.New("")
	if err != nil {
		return fmt.Errorf("open a netlink socket for IPVS: %w", err)
	}
	l.handle = h
	return nil
}

// here names the network namespace of the calling thread.
func here() string {
	name, _ := os.Readlink("/proc/thread-self/ns/net")
	return name
}

// call makes one call, and breaks it off when it takes too long.
func (l *library) call(fn func(*moby.Handle) error) error {
	if err := l.reopen(); err != nil {
		return err
	}
	watchdog := time.AfterFunc(l.patience, l.handle.Close)
	err := fn(l.handle)
	if watchdog.Stop() {
		return err
	}
	l.handle = nil
	l.log.Error("kernel did not answer a request to change IPVS", "after", l.patience, "err", err)
	return errStuck
}

func (l *library) close() {
	if l.handle != nil {
		l.handle.Close()
	}
}

// libService returns a service in the library's words. Without options it tells
// the service from others and no more.
func libService(id dataplane.ServiceID, o options) *moby.Service {
	s := &moby.Service{
		AddressFamily: family(ipv6(id)),
		FWMark:        id.Mark,
		SchedName:     o.scheduler,
		Flags:         o.flags,
		Timeout:       o.timeout,
		Netmask:       o.netmask,
		PEName:        o.engine,
	}
	if id.Protocol != dataplane.FWMark {
		s.Protocol = protocol(id)
		s.Address = id.Addr.Addr().AsSlice()
		s.Port = id.Addr.Port()
	}
	return s
}

// libServer returns a real server in the library's words.
func libServer(s server) *moby.Destination {
	return &moby.Destination{
		AddressFamily:   family(s.addr.Addr().Is6()),
		Address:         s.addr.Addr().AsSlice(),
		Port:            s.addr.Port(),
		ConnectionFlags: s.method,
		Weight:          s.weight,
		UpperThreshold:  s.upper,
		LowerThreshold:  s.lower,
	}
}
