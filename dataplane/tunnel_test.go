package dataplane_test

import (
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
)

func TestTunnelSaysWhatItIs(t *testing.T) {
	for want, tunnel := range map[string]dataplane.Tunnel{
		"ipip":                          {},
		"gre":                           {Type: dataplane.TunnelGRE},
		"gre checksum yes":              {Type: dataplane.TunnelGRE, Checksum: dataplane.ChecksumYes},
		"gue port 6080":                 {Type: dataplane.TunnelGUE, Port: 6080},
		"gue port 6080 checksum remote": {Type: dataplane.TunnelGUE, Port: 6080, Checksum: dataplane.ChecksumRemote},
		"tunnel(9) checksum checksum(9)": {
			Type: 9, Checksum: 9,
		},
	} {
		if got := tunnel.String(); got != want {
			t.Errorf("%#v is called %q, want %q", tunnel, got, want)
		}
	}
	if got := dataplane.ChecksumNo.String(); got != "no" {
		t.Errorf("no checksum is called %q", got)
	}
}

func TestOverheadOfTunnels(t *testing.T) {
	for tunnel, want := range map[dataplane.Tunnel][2]int{
		{}:                          {20, 40},
		{Type: dataplane.TunnelGRE}: {24, 44},
		{Type: dataplane.TunnelGRE, Checksum: dataplane.ChecksumYes}:    {28, 48},
		{Type: dataplane.TunnelGUE, Port: 6080}:                         {32, 52},
		{Type: dataplane.TunnelGUE, Checksum: dataplane.ChecksumYes}:    {32, 52},
		{Type: dataplane.TunnelGUE, Checksum: dataplane.ChecksumRemote}: {40, 60},
	} {
		if got := [2]int{tunnel.Overhead(false), tunnel.Overhead(true)}; got != want {
			t.Errorf("%s puts %d bytes around a packet, want %d with IPv4 and IPv6", tunnel, got, want)
		}
	}
}
