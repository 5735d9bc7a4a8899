package director

import (
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// A check that asks the same as one before it is refused, however it is written.
func TestRepeatedChecks(t *testing.T) {
	none := func(*config.Virtual, dataplane.VirtualService) []*dataplane.Limit { return nil }
	for text, refused := range map[string]bool{
		"check=connect port=80":                           true, // as the ordinary one
		"check=connect":                                   true,
		"check=connect port=81":                           false,
		"check=http port=81\n\tcheck=http port=82":        false,
		"check=http\n\tcheck=http port=80":                true,
		"check=http\n\tcheck=http request=\"other.html\"": false,
		"agent=80":                      false,
		"check=agent port=7\n\tagent=7": false, // silence counts with one of them
	} {
		c := parsed(t, "virtual=10.0.0.100:80\n\treal=10.0.0.1:80 masq\n\tchecktype=connect\n\t"+text+"\n")
		ps := Validate(c, none, nobodyConnects)
		if (len(ps) > 0) != refused || refused && (ps[0].Pos.Line < 4 || !strings.Contains(ps[0].Text, "the same as a check before it")) {
			t.Errorf("%q: %+v", text, ps)
		}
	}
	viaVIP := parsed(t, "virtual=10.0.0.100:80\n\treal=10.0.0.1:80 gate\n\tchecktype=connect\n\tcheckpath=vip\n\tcheck=connect port=80\n")
	if ps := Validate(viaVIP, none, nobodyConnects); len(ps) > 0 {
		t.Errorf("the ordinary check goes by the VIP: %+v", ps)
	}
}
