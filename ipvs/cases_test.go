package ipvs

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// A tableCase is one behaviour of a table, the same for the fake and the kernel.
type tableCase struct {
	name string
	do   func(t table) error
	want error
	left string // what the table holds of the service afterwards, "" for any
}

var (
	web   = tcp("10.9.0.1:80")
	web6  = tcp("[fd00:9::1]:80")
	plain = options{scheduler: "rr", netmask: 0xffffffff}
	rip   = server{addr: netip.MustParseAddrPort("10.9.1.1:80"), weight: 1}
	rip6  = server{addr: netip.MustParseAddrPort("[fd00:9:1::1]:80"), weight: 1}
)

// with returns s with a change.
func with(s server, change func(*server)) server {
	change(&s)
	return s
}

// all makes changes one after the other and returns the first error.
func all(changes ...error) error {
	for _, err := range changes {
		if err != nil {
			return err
		}
	}
	return nil
}

func tableCases() []tableCase {
	set := func(o options, change func(*options)) options { change(&o); return o }
	return []tableCase{
		{name: "service", do: func(t table) error { return t.addService(web, plain) }, left: "-A -t 10.9.0.1:80 -s rr\n"},
		{name: "service that is there", do: func(t table) error { return all(t.addService(web, plain), t.addService(web, plain)) }, want: unix.EEXIST},
		{name: "missing service read", do: func(t table) error { _, err := t.read(web); return err }, want: unix.ESRCH},
		{name: "missing service changed", do: func(t table) error { return t.setService(web, plain) }, want: unix.ESRCH},
		{name: "missing service removed", do: func(t table) error { return t.delService(web) }, want: unix.ESRCH},
		{name: "server for a missing service", do: func(t table) error { return t.addServer(web, rip) }, want: unix.ESRCH},
		{name: "unknown scheduler", do: func(t table) error {
			return t.addService(web, set(plain, func(o *options) { o.scheduler = "nosuch" }))
		}, want: unix.ENOENT},
		{name: "scheduler changed", do: func(t table) error {
			return all(t.addService(web, plain), t.setService(web, set(plain, func(o *options) { o.scheduler = "wlc" })))
		}, left: "-A -t 10.9.0.1:80 -s wlc\n"},
		{name: "change to an unknown scheduler", do: func(t table) error {
			return all(t.addService(web, plain), t.setService(web, set(plain, func(o *options) { o.scheduler = "nosuch" })))
		}, want: unix.ENOENT, left: "-A -t 10.9.0.1:80 -s rr\n"},
		{name: "no scheduler at first", do: func(t table) error {
			return all(t.addService(web, set(plain, func(o *options) { o.scheduler = noScheduler })), t.addServer(web, rip), t.setService(web, plain))
		}, left: "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.9.1.1:80 -m -w 1\n"},
		{name: "IPv6 with the mask of IPv4", do: func(t table) error { return t.addService(web6, plain) }, want: unix.EINVAL},
		{
			name: "server", do: func(t table) error { return all(t.addService(web, plain), t.addServer(web, rip)) },
			left: "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.9.1.1:80 -m -w 1\n",
		},
		{name: "server that is there", do: func(t table) error {
			return all(t.addService(web, plain), t.addServer(web, rip), t.addServer(web, rip))
		}, want: unix.EEXIST},
		{name: "missing server changed", do: func(t table) error { return all(t.addService(web, plain), t.setServer(web, rip)) }, want: unix.ENOENT},
		{name: "missing server removed", do: func(t table) error { return all(t.addService(web, plain), t.delServer(web, rip)) }, want: unix.ENOENT},
		{name: "new servers come first", do: func(t table) error {
			second := with(rip, func(s *server) { s.addr = netip.MustParseAddrPort("10.9.1.2:80") })
			return all(t.addService(web, plain), t.addServer(web, rip), t.addServer(web, second))
		}, left: "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.9.1.2:80 -m -w 1\n-a -t 10.9.0.1:80 -r 10.9.1.1:80 -m -w 1\n"},
		{name: "several steps at once, one of them bad", do: func(t table) error {
			shut := set(plain, func(o *options) { o.scheduler = noScheduler })
			second := with(rip, func(s *server) { s.addr = netip.MustParseAddrPort("10.9.1.2:80") })
			errs := t.applySteps(web, []step{
				{verb: setService, options: plain},
				{verb: addService, options: shut},
				{verb: addServer, server: rip},
				{verb: addServer, server: with(rip, func(s *server) { s.weight = -1 })},
				{verb: addServer, server: second},
				{verb: addServer, server: second},
				{verb: setServer, server: with(second, func(s *server) { s.weight = 5 })},
				{verb: delServer, server: rip},
				{verb: delServer, server: rip},
				{verb: setService, options: set(plain, func(o *options) { o.scheduler, o.timeout, o.flags = "wrr", 60, flagPersistent })},
			})
			want := []error{unix.ESRCH, nil, nil, unix.ERANGE, nil, unix.EEXIST, nil, nil, unix.ENOENT, nil}
			if diff := cmp.Diff(want, errs, cmpopts.EquateErrors()); diff != "" {
				return fmt.Errorf("(-want +got):\n%s", diff)
			}
			return nil
		}, left: "-A -t 10.9.0.1:80 -s wrr -p 60\n-a -t 10.9.0.1:80 -r 10.9.1.2:80 -m -w 5\n"},
		{name: "everything about a server", do: func(t table) error {
			return all(t.addService(web, plain), t.addServer(web, rip), t.setServer(web, with(rip, func(s *server) {
				s.method, s.weight, s.upper, s.lower = methodDirect, 65535, 20, 10
			})))
		}, left: "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.9.1.1:80 -g -w 65535 -x 20 -y 10\n"},
		{name: "heavy server", do: func(t table) error {
			return all(t.addService(web, plain), t.addServer(web, with(rip, func(s *server) { s.weight = 70000 })))
		}, left: "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.9.1.1:80 -m -w 70000\n"},
		{name: "negative weight", do: func(t table) error {
			return all(t.addService(web, plain), t.addServer(web, with(rip, func(s *server) { s.weight = -1 })))
		}, want: unix.ERANGE},
		{name: "thresholds the wrong way round", do: func(t table) error {
			return all(t.addService(web, plain), t.addServer(web, with(rip, func(s *server) { s.upper, s.lower = 1, 2 })))
		}, want: unix.ERANGE},
		{name: "multicast server", do: func(t table) error {
			return all(t.addService(web, plain), t.addServer(web, with(rip, func(s *server) { s.addr = netip.MustParseAddrPort("224.0.0.1:80") })))
		}, want: unix.EINVAL},
		{name: "IPv6 server of an IPv4 service", do: func(t table) error { return all(t.addService(web, plain), t.addServer(web, rip6)) }, want: unix.EINVAL},
		{name: "IPv6 tunnel of an IPv4 service", do: func(t table) error {
			tunnel := with(rip6, func(s *server) { s.method = methodTunnel })
			weighed := with(tunnel, func(s *server) { s.weight = 7 })
			return all(t.addService(web, plain), t.addServer(web, tunnel), t.setServer(web, weighed))
		}, left: "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r [fd00:9:1::1]:80 -i -w 7\n"},
		{name: "IPv6 tunnel of an IPv4 service removed", do: func(t table) error {
			tunnel := with(rip6, func(s *server) { s.method = methodTunnel })
			return all(t.addService(web, plain), t.addServer(web, tunnel), t.delServer(web, tunnel))
		}, left: "-A -t 10.9.0.1:80 -s rr\n"},
	}
}

// optionCases are options that have to be read back as they were written.
func optionCases() map[dataplane.ServiceID][]options {
	persistent := options{scheduler: "sh", flags: flagPersistent | flagSched1 | flagSched2, timeout: 360}
	net24, net128, net64 := persistent, persistent, persistent
	net24.netmask, net128.netmask, net64.netmask = netmask(false, 24), 128, 64
	single := options{scheduler: "wrr", flags: flagOnePacket, netmask: netmask(false, 32)}
	cases := map[dataplane.ServiceID][]options{
		web:                  {plain, net24},
		web6:                 {net128, net64},
		udp("10.9.0.1:53"):   {single, plain, net24},
		mark(7):              {plain, net24},
		mark6(7):             {net128},
		mark(1<<32 - 1):      {plain},
		tcp("10.9.0.1:0"):    {net24},
		tcp("[fd00:9::1]:0"): {net64},
	}
	for _, name := range schedulers {
		o := plain
		o.scheduler, o.flags = name, flagBits(name, nil)
		cases[web] = append(cases[web], o)
	}
	return cases
}

// runCases checks a table by the cases.
func runCases(t *testing.T, open func(testing.TB) table) {
	for _, c := range tableCases() {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
	t.Run("options read back", func(t *testing.T) { readBack(t, open(t)) })
}

func (c tableCase) run(t *testing.T, tab table) {
	defer func() { _ = tab.delService(web); _ = tab.delService(web6) }()
	if err := c.do(tab); !errors.Is(err, c.want) {
		t.Fatalf("got %v, want %v", err, c.want)
	}
	if c.left == "" {
		return
	}
	e, err := tab.read(web)
	must(t, err)
	if got := saved(web, e); got != c.left {
		t.Errorf("left:\n%swant:\n%s", got, c.left)
	}
}

func readBack(t *testing.T, tab table) {
	for id, cases := range optionCases() {
		for i, want := range cases {
			var err error
			if i == 0 {
				err = tab.addService(id, want)
			} else {
				err = tab.setService(id, want)
			}
			if err != nil {
				t.Errorf("%v: %+v: %v", id, want, err)
				continue
			}
			e, err := tab.read(id)
			if err != nil || e.options != want {
				t.Errorf("%v: wrote %+v, read %+v, %v", id, want, e.options, err)
			}
		}
		if err := tab.delService(id); err != nil {
			t.Error(fmt.Errorf("remove %v: %w", id, err))
		}
	}
}

func TestFakePassesTheCases(t *testing.T) {
	runCases(t, func(testing.TB) table { return newFake() })
}
