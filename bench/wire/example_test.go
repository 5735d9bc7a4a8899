package wire_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/shunt-lb/shunt/bench/wire"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A thousand SYNs show how a director distributes a service.
func Example() {
	var client, director *netlab.Namespace // of a lab
	service := wire.Service{
		Protocol: "tcp", Addr: netip.MustParseAddrPort("10.9.0.100:80"), Method: wire.Masq,
		Reals: []wire.Real{
			{Addr: netip.MustParseAddrPort("10.2.0.11:8080"), Weight: 2},
			{Addr: netip.MustParseAddrPort("10.2.0.12:8080"), Weight: 1},
		},
	}
	measure := func(ctx context.Context) error {
		w, err := wire.Watch(wire.Options{Service: service},
			wire.Point{In: director, Link: "eth0", Real: wire.Director},
			wire.Point{In: director, Link: "eth1", Real: wire.Director})
		if err != nil {
			return err
		}
		load := flood(ctx, client, service.Addr)
		seen, err := w.Stop(ctx)
		if err != nil {
			return err
		}
		fmt.Println(seen.Scheduler("shunt-ipvs", "wrr").Verdict, seen.Rewrite("shunt-ipvs").Verdict)
		return load
	}
	_ = measure
}

func flood(ctx context.Context, client *netlab.Namespace, to netip.AddrPort) error {
	s, err := wire.NewSender(ctx, client, "eth0", wire.Traffic{
		Protocol: "tcp", To: to, From: netip.MustParsePrefix("10.1.64.0/18"), Sources: 1000,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Send(ctx, 1000, 5000)
	return err
}
