package proxy_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy"
)

func Example() {
	ctx := context.Background()
	d := proxy.New(proxy.Options{})
	defer d.Close()
	web := dataplane.VirtualService{
		ID:        dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:80")},
		Scheduler: "wrr",
		RealServers: []dataplane.RealServer{
			{Addr: netip.MustParseAddrPort("198.51.100.1:80"), Weight: 2},
			{Addr: netip.MustParseAddrPort("198.51.100.2:80"), Weight: 1},
		},
	}
	for _, l := range proxy.Unsupported(web) {
		fmt.Println(l.Directive, l.Reason)
	}
	if err := d.Apply(ctx, web); err != nil {
		fmt.Println(err)
	}
	served, _ := d.Snapshot(ctx)
	fmt.Println(served[0].Service.ID, len(served[0].Servers), "real servers")
	// Output: tcp 192.0.2.1:80 2 real servers
}
