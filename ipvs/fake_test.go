package ipvs

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// A fake is a table that behaves as the kernel's does, as far as the cases in
// cases_test.go show, which both pass.
type fake struct {
	services map[dataplane.ServiceID]*entry
	// refuse may fail a write before it has an effect. May be nil.
	refuse func(s step) error
	// after is called after each write. May be nil.
	after  func(s step)
	times  Timeouts
	writes int
	reads  int
	closed bool
	// buried are real servers that were removed: the kernel goes on counting for
	// those that come back to the same service soon.
	buried map[dataplane.ServiceID][]serverEntry
	keeps  bool // buries real servers
	blind  bool // has no listing
	viewed int  // how many services were read beside the changes
	tell   func()

	mu   sync.Mutex  // for reading beside the changes
	busy atomic.Bool // with a change
}

// alone reserves the table for one call, which has to be the only one but for
// readings beside the changes.
func (f *fake) alone() (done func()) {
	if !f.busy.CompareAndSwap(false, true) {
		panic("two calls at once")
	}
	f.mu.Lock()
	return func() {
		f.mu.Unlock()
		f.busy.Store(false)
	}
}

func newFake() *fake {
	return &fake{services: map[dataplane.ServiceID]*entry{}, buried: map[dataplane.ServiceID][]serverEntry{}}
}

func (f *fake) read(id dataplane.ServiceID) (entry, error) {
	defer f.alone()()
	f.reads++
	return f.get(id)
}

func (f *fake) get(id dataplane.ServiceID) (entry, error) {
	e, ok := f.services[id]
	if !ok {
		return entry{}, unix.ESRCH
	}
	out := *e
	out.servers = slices.Clone(e.servers)
	return out, nil
}

// write counts a write and does it unless it is to fail.
func (f *fake) write(s step, do func() error) error {
	defer f.alone()()
	f.writes++
	if f.refuse != nil {
		if err := f.refuse(s); err != nil {
			return err
		}
	}
	err := do()
	if f.after != nil {
		f.after(s)
	}
	return err
}

func (f *fake) addService(id dataplane.ServiceID, o options) error {
	return f.write(step{verb: addService, options: o}, func() error {
		if err := takesService(id, o); err != nil {
			return err
		}
		if f.services[id] != nil {
			return unix.EEXIST
		}
		f.services[id] = &entry{options: o}
		return nil
	})
}

func (f *fake) setService(id dataplane.ServiceID, o options) error {
	return f.write(step{verb: setService, options: o}, func() error {
		if f.services[id] == nil {
			return unix.ESRCH
		}
		if err := takesService(id, o); err != nil {
			return err
		}
		f.services[id].options = o
		return nil
	})
}

func (f *fake) delService(id dataplane.ServiceID) error {
	return f.write(step{}, func() error {
		if f.services[id] == nil {
			return unix.ESRCH
		}
		delete(f.services, id)
		delete(f.buried, id) // the kernel zeroes them
		return nil
	})
}

func (f *fake) addServer(id dataplane.ServiceID, s server) error {
	return f.change(addServer, id, s, func(e *entry, i int) error {
		if i >= 0 {
			return unix.EEXIST
		}
		back := serverEntry{server: s}
		f.buried[id] = slices.DeleteFunc(f.buried[id], func(old serverEntry) bool {
			if old.addr == s.addr {
				back.counters = old.counters
			}
			return old.addr == s.addr
		})
		e.servers = slices.Insert(e.servers, 0, back)
		return nil
	})
}

func (f *fake) setServer(id dataplane.ServiceID, s server) error {
	return f.change(setServer, id, s, func(e *entry, i int) error {
		if i < 0 {
			return unix.ENOENT
		}
		e.servers[i].server = s
		return nil
	})
}

func (f *fake) delServer(id dataplane.ServiceID, s server) error {
	return f.change(delServer, id, s, func(e *entry, i int) error {
		if i < 0 {
			return unix.ENOENT
		}
		if f.keeps {
			f.buried[id] = append(f.buried[id], e.servers[i])
		}
		e.servers = slices.Delete(e.servers, i, i+1)
		return nil
	})
}

// change finds a service and the place of one of its real servers, -1 if it
// has none at that address.
func (f *fake) change(v verb, id dataplane.ServiceID, s server, do func(e *entry, i int) error) error {
	return f.write(step{verb: v, server: s}, func() error {
		e := f.services[id]
		if e == nil {
			return unix.ESRCH
		}
		if err := takesServer(id, s); err != nil && v != delServer {
			return err
		}
		return do(e, slices.IndexFunc(e.servers, func(other serverEntry) bool { return other.addr == s.addr }))
	})
}

func (f *fake) applySteps(id dataplane.ServiceID, steps []step) []error {
	errs := make([]error, len(steps))
	for i, s := range steps {
		errs[i] = s.on(f, id)
	}
	return errs
}

func (f *fake) timeouts() (Timeouts, error) { return f.times, nil }

func (f *fake) setTimeouts(t Timeouts) error {
	return f.write(step{}, func() error {
		f.times = t
		return nil
	})
}

func (f *fake) close() { f.closed = true }

func (f *fake) renewed(tell func()) { f.tell = tell }

func (f *fake) view() viewer { return fakeView{f} }

// A fakeView reads a fake beside the changes.
type fakeView struct{ *fake }

func (v fakeView) read(id dataplane.ServiceID) (entry, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.viewed++
	return v.get(id)
}

func (v fakeView) services() (map[dataplane.ServiceID]entry, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := map[dataplane.ServiceID]entry{}
	for id := range v.fake.services {
		all[id], _ = v.get(id)
	}
	return all, nil
}

func (v fakeView) servers(id dataplane.ServiceID) ([]serverEntry, error) {
	e, err := v.read(id)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil // as the kernel does
	}
	return e.servers, err
}

// prints looks at what the kernel lists.
func (v fakeView) prints() map[dataplane.ServiceID]uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.blind {
		return nil
	}
	all := map[dataplane.ServiceID]uint64{}
	for id, e := range v.fake.services {
		h := fnv.New64()
		fmt.Fprint(h, e.scheduler, e.flags&(flagPersistent|flagOnePacket), e.timeout, e.netmask)
		for _, s := range e.servers {
			fmt.Fprint(h, s.addr, s.method, s.weight)
		}
		all[listedAs(id)] += h.Sum64()
	}
	return all
}

// takesService returns the error by which the kernel refuses a service.
func takesService(id dataplane.ServiceID, o options) error {
	switch {
	case o.scheduler != noScheduler && !slices.Contains(schedulers, o.scheduler):
		return unix.ENOENT
	case ipv6(id) && (o.netmask < 1 || o.netmask > 128):
		return unix.EINVAL
	}
	return nil
}

// takesServer returns the error by which the kernel refuses a real server.
func takesServer(id dataplane.ServiceID, s server) error {
	switch {
	case s.addr.Addr().Is6() != ipv6(id) && s.method != methodTunnel:
		return unix.EINVAL
	case s.weight < 0, s.lower > s.upper:
		return unix.ERANGE
	case s.addr.Addr().IsMulticast():
		return unix.EINVAL
	}
	return nil
}

// String prints the table as ipvsadm -Sn does, real servers in the kernel's
// order.
func (f *fake) String() string {
	var ids []dataplane.ServiceID
	for id := range f.services {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, dataplane.ServiceID.Compare)
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(saved(id, *f.services[id]))
	}
	return b.String()
}

// saved prints one service as ipvsadm -Sn does.
func saved(id dataplane.ServiceID, e entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-A %s -s %s%s\n", savedID(id), e.scheduler, savedOptions(id, e.options))
	for _, s := range e.servers {
		fmt.Fprintf(&b, "-a %s -r %s %s -w %d", savedID(id), s.addr, map[uint32]string{0: "-m", 2: "-i", 3: "-g"}[s.method], s.weight)
		if s.upper > 0 {
			fmt.Fprintf(&b, " -x %d -y %d", s.upper, s.lower)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func savedID(id dataplane.ServiceID) string {
	switch {
	case id.Protocol == dataplane.TCP:
		return "-t " + id.Addr.String()
	case id.Protocol == dataplane.UDP:
		return "-u " + id.Addr.String()
	case id.IPv6:
		return fmt.Sprintf("-f %d -6", id.Mark)
	}
	return fmt.Sprintf("-f %d", id.Mark)
}

func savedOptions(id dataplane.ServiceID, o options) string {
	var b strings.Builder
	if o.flags&flagPersistent != 0 {
		fmt.Fprintf(&b, " -p %d", o.timeout)
		bits := prefixBits(ipv6(id), o.netmask)
		switch {
		case bits == bitLen(id):
		case ipv6(id):
			fmt.Fprintf(&b, " -M %d", bits)
		default:
			mask := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), bits).Masked()
			fmt.Fprintf(&b, " -M %s", mask.Addr())
		}
	}
	if o.flags&flagOnePacket != 0 {
		b.WriteString(" -o")
	}
	if names := flagNames(o.scheduler, o.flags); names != nil {
		b.WriteString(" -b " + strings.Join(names, ","))
	}
	return b.String()
}
