package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/services"
)

// Print writes c as an equivalent ldirectord.cf: values that differ from their
// defaults, ranges expanded, names as addresses. Parsing it gives c again, apart
// from positions, origins, warnings and names.
func Print(c *Config) []byte {
	var b bytes.Buffer
	base := defaults()
	timeoutsFirst := c.Global.CheckTimeout != base.CheckTimeout || c.Global.NegotiateTimeout != base.NegotiateTimeout
	base.CheckInterval = c.Global.CheckInterval
	base.FastInterval, base.DownInterval = base.CheckInterval, base.CheckInterval
	have, want := target{g: &base, s: &base.Settings}, target{g: &c.Global, s: &c.Global.Settings}
	if c.Global.CheckInterval != defaults().CheckInterval {
		fmt.Fprintf(&b, "checkinterval=%s\n", writeSeconds(c.Global.CheckInterval))
	}
	printDifferences(&b, "", have, want, inGlobal, timeoutsFirst)
	for i := range c.Virtuals {
		printVirtual(&b, c, &c.Virtuals[i])
	}
	return b.Bytes()
}

// printDifferences writes the directives of a scope whose values differ from
// their defaults there.
func printDifferences(b *bytes.Buffer, indent string, have, want target, where scope, timeouts bool) {
	for i := range table {
		d := &table[i]
		if d.get == nil || d.scope&where == 0 || d.inlined {
			continue
		}
		forced := timeouts && (d.name == "checktimeout" || d.name == "negotiatetimeout")
		values := d.get(want)
		if !forced && slices.Equal(values, d.get(have)) {
			continue
		}
		for _, v := range values {
			fmt.Fprintf(b, "%s%s=%s\n", indent, d.name, v)
		}
	}
}

func printVirtual(b *bytes.Buffer, c *Config, v *Virtual) {
	const indent = "    "
	six := v.six()
	fmt.Fprintf(b, "\n%s=%s\n", headKey(six), serviceText(v.ID))
	base := printBase(c, v)
	if v.CheckInterval != c.Global.CheckInterval {
		fmt.Fprintf(b, "%scheckinterval=%s\n", indent, writeSeconds(v.CheckInterval))
	}
	timeouts := v.CheckTimeout != base.CheckTimeout || v.NegotiateTimeout != base.NegotiateTimeout
	have := target{g: &c.Global, s: &base.Settings, v: base, six: six}
	want := target{g: &c.Global, s: &v.Settings, v: v, six: six}
	printDifferences(b, indent, have, want, inSection, timeouts)
	for i := range v.Reals {
		fmt.Fprintf(b, "%s%s=%s\n", indent, realKey(v.Reals[i].Addr.Addr().Is6()), realText(v, &v.Reals[i]))
	}
}

// printBase returns v as if its section had only the virtual line, the service
// and the check interval.
func printBase(c *Config, v *Virtual) *Virtual {
	base := inherit(&c.Global, v.six())
	base.ID = v.ID
	inheritFallback(&c.Global, base, v.six())
	if v.ID.Protocol != dataplane.FWMark {
		base.ID.Protocol = dataplane.TCP
		if v.ID.Addr.Port() == 53 {
			base.ID.Protocol = dataplane.UDP
		}
	}
	base.Service = services.On(v.ID.Addr.Port())
	base.Login, base.Passwd = credentials(v.Service)
	if base.Verify == "" {
		base.Verify = v.verification()
	}
	base.CheckInterval = v.CheckInterval
	if c.Global.FastInterval == c.Global.CheckInterval {
		base.FastInterval = v.CheckInterval
	}
	if c.Global.DownInterval == c.Global.CheckInterval {
		base.DownInterval = v.CheckInterval
	}
	return base
}

func (v *Virtual) six() bool {
	return v.ID.IPv6 || v.ID.Protocol != dataplane.FWMark && v.ID.Addr.Addr().Is6()
}

func headKey(six bool) string {
	if six {
		return "virtual6"
	}
	return "virtual"
}

// realText returns the value of the real line of r.
func realText(v *Virtual, r *Real) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %d", endpointText(r.Addr), r.Forward, r.Weight)
	if r.Request != v.Request || !r.Receive.Equal(v.Receive) {
		fmt.Fprintf(&b, ` "%s","%s"`, slashless(r.Request), patternText(r.Receive))
	}
	if r.Lower != 0 {
		fmt.Fprintf(&b, " l:%d", r.Lower)
	}
	if r.Upper != 0 {
		fmt.Fprintf(&b, " u:%d", r.Upper)
	}
	if r.MaxConn != uint32(v.MaxConn) {
		fmt.Fprintf(&b, " m:%d", r.MaxConn)
	}
	return b.String()
}

// slashless removes the leading slash of a request if reading adds it again:
// ldirectord forgets the pattern behind a request that has one.
func slashless(request string) string {
	if cut := strings.TrimPrefix(request, "/"); !strings.HasPrefix(cut, "/") {
		return cut
	}
	return request
}

// patternText returns the source of p, "" for nil.
func patternText(p *Pattern) string {
	if p == nil {
		return ""
	}
	return p.String()
}
