package ipvs

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// ErrNoIPVS is the error of New where the kernel has no IPVS and cannot load
// it. It matches [dataplane.ErrNotSupported].
var ErrNoIPVS = fmt.Errorf("%w: this kernel has no IPVS: run modprobe ip_vs, install the package with the kernel's network modules, "+
	"or use --dataplane=proxy", dataplane.ErrNotSupported)

// ErrNoRights is the error of New where the process may not program IPVS.
var ErrNoRights = errors.New("this process may not program IPVS: it needs the capability CAP_NET_ADMIN")

// noRights returns an error that names the missing right where the kernel refuses
// everything. Many kernels do not take the capability of a user namespace for
// their own.
func noRights(err error) error {
	if hasNetAdmin() {
		return fmt.Errorf("%w of the host, and has that of a user namespace (a rootless container?): %w", ErrNoRights, err)
	}
	return fmt.Errorf("%w: %w", ErrNoRights, err)
}

// hasNetAdmin reports whether the calling thread has CAP_NET_ADMIN, in any
// namespace.
func hasNetAdmin() bool {
	var caps [2]unix.CapUserData
	err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &caps[0])
	return err == nil && caps[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0
}

// opError returns an error that says what a step attempted and why it failed.
func opError(id dataplane.ServiceID, s step, err error) error {
	op := &dataplane.OpError{Op: s.verb.String(), Service: id, Err: explain(s, err)}
	switch s.verb {
	case addServer, setServer, delServer:
		op.Server = s.server.addr
	}
	return op
}

// explain adds what the kernel means by an errno.
func explain(s step, err error) error {
	service := s.server.addr == netip.AddrPort{}
	switch {
	case errors.Is(err, unix.ENOENT) && service:
		return fmt.Errorf("the kernel has no scheduler %s, module ip_vs_%[1]s is missing: %w", s.options.scheduler, err)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("somebody else has removed it: %w", err)
	case errors.Is(err, unix.ESRCH):
		return fmt.Errorf("somebody else has removed the service: %w", err)
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("somebody else has added it: %w", err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: %w", ErrNoRights, err)
	case errors.Is(err, unix.EINVAL) && !service:
		return fmt.Errorf("the kernel takes no such address or forwarding method here: %w", err)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("the kernel has no IPVS for this address family: %w", err)
	}
	return err
}

// raced reports whether another program that changed the service at the same time
// may have caused err.
func raced(err error) bool {
	return errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
}
