package text_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

// TestExplanationInColour: colours change nothing of what an explanation says.
func TestExplanationInColour(t *testing.T) {
	escape := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for _, whole := range []bool{true, false} {
		e := director.Explanation{At: fixture.Now}
		for _, sv := range fixture.Troubled().Services {
			one := director.ServiceExplanation{Service: sv, Whole: whole, Line: "ldirectord.cf:12:1"}
			for _, rs := range sv.Servers {
				one.Servers = append(one.Servers, director.ServerExplanation{Server: rs.Server, Line: "ldirectord.cf:13:2"})
			}
			e.Services = append(e.Services, one)
		}
		var bare, coloured strings.Builder
		for _, o := range []struct {
			to    *strings.Builder
			color bool
		}{{&bare, false}, {&coloured, true}} {
			if err := text.RenderExplanation(o.to, e, text.Options{Width: 80, Color: o.color}); err != nil {
				t.Fatal(err)
			}
		}
		if !escape.MatchString(coloured.String()) {
			t.Errorf("whole %t: there is no colour:\n%s", whole, coloured.String())
		}
		if got := escape.ReplaceAllString(coloured.String(), ""); got != bare.String() {
			t.Errorf("whole %t: in colour it says\n%s\nwithout\n%s", whole, got, bare.String())
		}
	}
}
