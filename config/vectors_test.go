package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// TestVectors compares what shunt makes of a file with what ldirectord was
// seen to make of it. Files marked "must" have to come out the same; the part
// "shunt" holds what differs: messages of our own, and better behaviour where
// ldirectord's is marked lenient or defect.
func TestVectors(t *testing.T) {
	found := files(t, "testdata/vectors/*.txt")
	if len(found) != 28 {
		t.Errorf("%d vectors, want 28", len(found))
	}
	for _, file := range found {
		t.Run(filepath.Base(file), func(t *testing.T) { vector(t, file) })
	}
}

func vector(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	must := strings.HasSuffix(string(a.Comment), "must\n")
	seen := part(a, "ldirectord")
	got, ps := asLdirectord(t, string(part(a, "input.cf").Data))
	if must && !strings.HasPrefix(got, "result: error") {
		if diff := cmp.Diff(string(seen.Data), got); diff != "" {
			t.Errorf("unlike ldirectord (-ldirectord +shunt):\n%s", diff)
		}
		got = ""
	} else if must && !strings.HasPrefix(string(seen.Data), "result: error") {
		t.Errorf("refused, unlike ldirectord: %v", ps)
	}
	for _, p := range ps {
		got += p.String() + "\n"
	}
	own := part(a, "shunt")
	if *update {
		own.Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(own.Data), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// part returns the file of an archive, which it adds if need be.
func part(a *txtar.Archive, name string) *txtar.File {
	i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
	if i < 0 {
		i = len(a.Files)
		a.Files = append(a.Files, txtar.File{Name: name})
	}
	return &a.Files[i]
}

// asLdirectord writes what became of a file like the tables of ldirectord
// that the vectors show.
func asLdirectord(t *testing.T, text string) (string, config.Problems) {
	c, err := parse(t, text)
	if ps, bad := errors.AsType[config.Problems](err); bad {
		return "result: error, exit status 2\n", ps
	} else if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, c)
	var b strings.Builder
	b.WriteString("result: accepted\n")
	globals(&b, &c.Global)
	for i := range c.Virtuals {
		virtual(&b, &c.Virtuals[i])
	}
	return b.String(), c.Warnings
}

func globals(b *strings.Builder, g *config.Global) {
	values := map[string]string{
		"autoreload":       map[bool]string{true: "yes", false: "no"}[g.AutoReload],
		"checkinterval":    inSeconds(g.CheckInterval),
		"checktimeout":     inSeconds(g.CheckTimeout),
		"negotiatetimeout": inSeconds(g.NegotiateTimeout),
		"failurecount":     fmt.Sprint(g.FailureCount),
		"logfile":          g.LogFile,
		"emailalert":       strings.Join(g.EmailAlert, ", "),
		"emailalertstatus": g.EmailAlertStatus.String(),
	}
	for _, name := range slices.Sorted(mapKeys(values)) {
		if o := g.Origins[name]; o.Pos.Line > 0 && o.Note == "" {
			fmt.Fprintf(b, "global %s: %s\n", name, values[name])
		}
	}
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func inSeconds(d time.Duration) string { return fmt.Sprint(int(d / time.Second)) }

func virtual(b *strings.Builder, v *config.Virtual) {
	fmt.Fprintf(b, "virtual: %s\n  ipvsadm args: %s\n  service=%s%s\n", serviceName(v), strings.Join(arguments(v), " "), v.Service, settings(v))
	given := func(name, value string) {
		if v.Origins[name].Pos.Line > 0 {
			fmt.Fprintf(b, "  %s=%s\n", name, value)
		}
	}
	given("request", `"`+v.Request+`"`)
	given("receive", `"`+pattern(v.Receive)+`"`)
	given("checkport", fmt.Sprintf(`"%d"`, v.CheckPort))
	given("persistent", fmt.Sprintf(`"%s"`, inSeconds(v.Persistent)))
	given("netmask", mask(v))
	given("ops", `"yes"`)
	if v.Origins["emailalertstatus"].Note == "" && v.EmailAlertStatus == 0 {
		b.WriteString("  emailalertstatus: (nothing)\n")
	}
	if v.Fallback != nil {
		fmt.Fprintf(b, "  fallback: %s %s\n", v.Fallback.Addr, v.Fallback.Forward)
	}
	if len(v.Reals) == 0 {
		b.WriteString("  (no real servers)\n")
	}
	for i := range v.Reals {
		realServer(b, v, &v.Reals[i])
	}
}

func pattern(p *config.Pattern) string {
	if p == nil {
		return ""
	}
	return p.String()
}

func isSix(v *config.Virtual) bool { return v.ID.IPv6 || v.ID.Addr.Addr().Is6() }

func mask(v *config.Virtual) string {
	if isSix(v) {
		return fmt.Sprint(v.PersistentBits)
	}
	return `"` + dotted(v.PersistentBits) + `"`
}

func dotted(bits int) string {
	m := ^uint32(0) << (32 - bits)
	return fmt.Sprintf("%d.%d.%d.%d", m>>24, m>>16&255, m>>8&255, m&255)
}

func serviceName(v *config.Virtual) string {
	name := "fwmark " + fmt.Sprint(v.ID.Mark)
	if v.ID.Mark == 0 {
		name = v.ID.Protocol.String() + " " + v.ID.Addr.String()
	}
	if isSix(v) {
		name += " (IPv6)"
	}
	return name
}

// arguments are those that ipvsadm would get.
func arguments(v *config.Virtual) []string {
	args := []string{map[dataplane.Protocol]string{dataplane.TCP: "-t", dataplane.UDP: "-u", dataplane.FWMark: "-f"}[v.ID.Protocol]}
	if v.ID.Mark != 0 {
		args = append(args, fmt.Sprint(v.ID.Mark))
	} else {
		args = append(args, v.ID.Addr.String())
	}
	if v.ID.IPv6 {
		args = append(args, "-6")
	}
	if v.OnePacket {
		args = append(args, "-o")
	}
	args = append(args, "-s", v.Scheduler)
	if v.Persistent > 0 {
		args = append(args, "-p", inSeconds(v.Persistent))
	}
	if _, ok := v.Origins["netmask"]; ok && v.Persistent > 0 {
		args = append(args, "-M", strings.Trim(mask(v), `"`))
	}
	if len(v.SchedFlags) > 0 {
		args = append(args, "-b", strings.Join(v.SchedFlags, ","))
	}
	return args
}

func settings(v *config.Virtual) string {
	var s string
	switch v.CheckType {
	case config.CheckNegotiate:
	case config.CheckCombined:
		s += fmt.Sprintf(" checktype=combined, N=%d", v.CombinedN)
	default:
		s += " checktype=" + v.CheckType.String()
	}
	if v.CheckTimeout != 5*time.Second {
		s += " checktimeout=" + inSeconds(v.CheckTimeout)
	}
	if v.NegotiateTimeout != 30*time.Second {
		s += " negotiatetimeout=" + inSeconds(v.NegotiateTimeout)
	}
	return s
}

func realServer(b *strings.Builder, v *config.Virtual, r *config.Real) {
	fmt.Fprintf(b, "  real: %s %s weight %d", r.Addr, r.Forward, r.Weight)
	if r.Lower > 0 {
		fmt.Fprintf(b, " lower %d", r.Lower)
	}
	if r.Upper > 0 {
		fmt.Fprintf(b, " upper %d", r.Upper)
	}
	b.WriteByte('\n')
	if v.Service != "http" {
		return
	}
	for _, e := range config.Explain(&config.Config{Virtuals: []config.Virtual{*v}})[1].Reals {
		if e.Line == r.Pos.Line && strings.HasPrefix(r.Addr.String(), e.Addr) {
			url := strings.TrimPrefix(e.Check, "http ")
			if v.CheckType == config.CheckCombined || v.CheckType == config.CheckNegotiate {
				fmt.Fprintf(b, "        check url %s  pattern %q\n", url, pattern(r.Receive))
			}
		}
	}
}
