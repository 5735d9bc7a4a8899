package director

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/prober"
	"github.com/shunt-lb/shunt/director/internal/ratelimit"
	"github.com/shunt-lb/shunt/director/internal/spec"
	"github.com/shunt-lb/shunt/director/internal/statefile"
)

// variantFile is what all variants are made of.
const variantFile = `checkinterval=10
emailalert="ops@example.test"
%G
virtual=10.0.0.100:80
	real=192.168.80.110:80 ipip 2
	real=192.168.80.120:80 masq 1 l:10 u:20
	fallback=127.0.0.1:80 gate
	service=http
	checktype=negotiate
	%V
virtual=10.0.0.101:53
	real=192.168.80.110:53 masq
	protocol=udp
	checktype=connect
	%U
`

// variants differ from the file in one directive each: a line more outside of
// sections (G), in the TCP service (V) or in the UDP service (U), or a line in
// another one's place (old -> new).
var variants = []string{
	"G", "G autoreload=yes", "G callback=/bin/true", "G logfile=local0", "G execute=other.cf", "G include=%D/more.cf", "G include=%D/more*.cf", "G supervised=yes", "G fork=yes",
	"G strict=yes", "G checkconcurrency=9", "G statemaxage=2d", "G readdquiescent=yes", "G maintenancedir=%D", `G emailalertfrom=shunt@example.test`, "G managesysctl=yes",
	"G tcptimeout=60", "G tcpfintimeout=60", "G udptimeout=60", "G maxconnections=100", "G maxflows=100", "G maxbuffers=1M",
	"G quiescent=yes", "G checktimeout=7", "G fallback=sorry", "U fallback6=sorry",
	"V virtualhost=www.example.test", "V scheduler=rr", "V persistent=60", "V netmask=255.255.255.0", "U ops=yes",
	"V\nvirtual=10.0.0.102:80\n\treal=192.168.80.110:80 masq\n\tchecktype=connect",
	"V\nvirtual6=[fd00::1]:80\n\treal6=[fd00::2]:80 masq\n\tchecktype=connect",
	"V real=192.168.80.130:80 masq", "V real=192.168.80.110:80 masq 3", `V real=192.168.80.110:80 gate 3 "/w","w"`, `V real=192.168.80.130:80 masq 1 "/x","y"`,
	"ipip 2 -> ipip 5", "ipip 2 -> gate 2", "ipip 2 -> masq 2", "ipip 2 -> ipip 2 m:7", "l:10 u:20 -> l:10 u:30", "l:10 u:20 -> ",
	"192.168.80.120:80 -> 192.168.80.120:8080", `l:10 u:20 -> "/y","y"`, `l:10 u:20 -> "/","z"`,
	"\treal=192.168.80.120:80 masq 1 l:10 u:20\n -> ", "masq 1 l:10 u:20 -> masq 0", "real=192.168.80.110:53 masq -> real=192.168.80.110:53 masq 3",
	"fallback=127.0.0.1:80 gate -> fallback=sorry", "fallback=127.0.0.1:80 gate -> fallback=192.168.80.110:80 masq", "\tfallback=127.0.0.1:80 gate\n -> ",
	"V fallbackcommand=/bin/true", "V schedflags=sh-port",
	"checktype=negotiate -> checktype=connect", "checktype=negotiate -> checktype=ping", "checktype=negotiate -> checktype=3",
	"checktype=negotiate -> checktype=on", "checktype=negotiate -> checktype=off", "checktype=negotiate -> checktype=external", "U checkcommand=/bin/false",
	"service=http -> service=https", "V checktimeout=4", "V negotiatetimeout=5", "V fastinterval=2", "V downinterval=20", "V checkclose=rst", "V checkcount=2",
	"V failurecount=2", "V risecount=2", "checkinterval=10 -> checkinterval=20", "V checkport=81", `V request="/z"`, `V receive="ok"`, "V httpmethod=HEAD",
	`V login="a"`, `V passwd="b"`, `V database="c"`, `V secret="d"`, `V load="e"`, "V monitorfile=%D/monitor", "V monitorfile=%D/another",
	"V initstate=up", "V initstate=down", "V quorum=3", "V quorum=2\n\thysteresis=1", "V quorumup=/bin/true", "V quorumdown=/bin/true", "V maxdown=50%", "V checkpath=vip", "V observe=connect", "V errorlimit=5", "V observe=connect\n\terrorlimit=5", "V failopen=yes",
	"service=http -> service=agent", "service=http -> service=file\n\tcheckfile=/run/state", "checktype=negotiate -> checktype=external\n\tcheckcommandweight=percent",
	"V receivestatus=200,401", "V header=X-Check: yes", "V header=X-Check: no", "V httpversion=2", "V bodydigest=sha256:" + strings.Repeat("0a", 32),
	"service=http -> service=https\n\tverify=yes", "service=http -> service=https\n\tverify=%D/ca.pem", "service=http -> service=tls\n\tminvalid=14d",
	"service=http -> service=https\n\tclientcert=%D/cert.pem\n\tclientkey=%D/key.pem",
	"V check=connect port=22", `V check=http port=8080 request="/db" receive="ok"`, "V check=connect port=22\n\tcheck=redis port=6379", "V agent=9999", "V check=connect port=22\n\tagent=9999 request=\"hello\"", "V check=agent port=9999",
	"V quiescent=yes", "V slowstart=60", "V cleanstop=no", `V emailalert="other@example.test"`, "V emailalertfreq=60", "V webhook=https://hooks.example.test/", "V notify=/bin/true", "G webhookca=/nowhere/ca.pem", "G alertlimit=1/h", "V emailalertstatus=stopping",
	"V smtp=192.0.2.25", "V servicename=shop", "V comment=remark", "V dataplane=proxy", "V interface=lo",
	"V tunneltype=gre", "V tunneltype=gue\n\ttunnelport=6080", "V tunneltype=gre\n\ttunnelchecksum=yes",
	"V connecttimeout=3s", "V idletimeout=60s", "V allow=192.0.2.0/24", "V deny=192.0.2.0/24", "V sourceconnections=5", "V sourcerate=5/1s", "V sourceprefix=24",
	"V sourceprefix6=48", "V maxconn=9", "V maxqueue=9", "V queuetimeout=9s", "V keepalive=90", "V tcpusertimeout=9s", "V ondown=cut", "V proxyprotocol=v2",
	"V trustedproxies=192.0.2.0/24", "V transparent=yes", "V expirequiescent=yes", "V draintimeout=5", "V sorrypage=%D", "V sorrystatus=200", "V sorrytitle=The Shop",
}

// variantText is the file of a variant; dir is a folder for its paths.
func variantText(variant, dir string) string {
	text := variantFile
	if from, to, swap := strings.Cut(variant, " -> "); swap {
		text = strings.Replace(text, from, to, 1)
	} else {
		text = strings.Replace(text, "%"+variant[:1], strings.TrimPrefix(variant[1:], " "), 1)
	}
	return strings.NewReplacer("%G", "", "%V", "", "%U", "", "%D", dir).Replace(text)
}

// parseVariants reads every variant; the folder has a sorry page.
func parseVariants(t *testing.T) map[string]*config.Config {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "index.html"), "sorry")
	writeFile(t, filepath.Join(dir, "more.cf"), "virtual=10.0.0.103:80\n\treal=192.168.80.110:80 masq\n\tchecktype=connect\n")
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		text, err := os.ReadFile(filepath.Join("../config/testdata/tls", name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), string(text))
	}
	all := map[string]*config.Config{}
	for _, v := range variants {
		c, err := config.Parse(t.Context(), "test.cf", []byte(variantText(v, dir)), config.Options{})
		if err != nil {
			t.Fatalf("%s: %v", v, err)
		}
		all[v] = c
	}
	return all
}

// Every directive of the language is in a variant.
func TestVariantsHaveEveryDirective(t *testing.T) {
	doc, err := os.ReadFile("../CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	all := variantFile + strings.Join(variants, "\n")
	names := regexp.MustCompile("(?m)^\\| `([a-z0-9]+)` \\| [GV, ]+ \\|").FindAllStringSubmatch(string(doc), -1)
	if len(names) < 70 {
		t.Fatalf("%d directives found in CONFIGURATION.md", len(names))
	}
	for _, n := range names {
		if !regexp.MustCompile(`(?m)\b` + n[1] + `=`).MatchString(all) {
			t.Errorf("no variant has %s", n[1])
		}
	}
}

// recordedEffects keep everything that a cluster decides.
type recordedEffects struct {
	served map[dataplane.ServiceID]dataplane.VirtualService
	told   []any
}

func newRecordedEffects() *recordedEffects {
	return &recordedEffects{served: map[dataplane.ServiceID]dataplane.VirtualService{}}
}

func (w *recordedEffects) tell(what ...any) { w.told = append(w.told, what) }
func (w *recordedEffects) apply(v dataplane.VirtualService) {
	w.served[v.ID] = v
	w.tell("apply", v)
}

func (w *recordedEffects) remove(id dataplane.ServiceID) {
	delete(w.served, id)
	w.tell("remove", id)
}
func (w *recordedEffects) removeFound(v dataplane.VirtualService) { w.remove(v.ID) }
func (w *recordedEffects) mail(m Mail)                            { w.tell("mail", m) }
func (w *recordedEffects) post(p Post)                            { w.tell("post", p) }
func (w *recordedEffects) run(key, line string, env []string)     { w.tell(key, line, env) }
func (w *recordedEffects) record(Event) uint64                    { return 0 }
func (w *recordedEffects) monitor(path, line string)              { w.tell("monitor", path, line) }
func (w *recordedEffects) save(uint64, statefile.State)           {}
func (w *recordedEffects) fallbackCommand(v *config.Virtual, word string) {
	w.tell(v.FallbackCommand, word, v.ID)
}

// A harness drives a cluster with random events.
type harness struct {
	*cluster
	w   *recordedEffects
	now time.Time
}

// newHarness is a start beside a dataplane in which all servers of c serve.
func newHarness(c *config.Config) *harness {
	l := &harness{w: newRecordedEffects(), now: t0}
	l.cluster = newCluster(l.w, quiet())
	var found []dataplane.VirtualService
	for i := range c.Virtuals {
		found = append(found, Everything(&c.Virtuals[i]))
	}
	l.configure(l.now, c, found)
	return l
}

// check lets every check end, those of what stands in bad with an error.
func (l *harness) check(bad ...string) {
	l.now = l.now.Add(time.Second)
	var ids []spec.ID
	for _, sv := range l.services {
		for _, s := range sv.servers {
			for i := range s.checks {
				ids = append(ids, s.checks[i].ID)
			}
		}
	}
	for _, id := range ids {
		var err error
		for _, b := range bad {
			if strings.HasPrefix(id.Addr().String(), b) {
				err = errBad
			}
		}
		l.checked(id, prober.Result{At: l.now, Err: err})
	}
	l.catchUp()
}

// pass lets time go by, so that everything that ends by itself has ended.
func (l *harness) pass(d time.Duration) {
	l.now = l.now.Add(d)
	l.tick(l.now)
}

// A condition is a state of all real servers.
type condition struct {
	name  string
	bad   []string
	files map[string]string
}

var conditions = []condition{
	{name: "all well"},
	{name: "all down", bad: []string{"192.168.80", "fd00"}},
	{name: "one down, one in maintenance", bad: []string{"192.168.80.120"}, files: map[string]string{"192.168.80.110:80": "rs1", "192.168.80.110:53": "rs1"}},
}

// settle brings a harness into a condition that does not change any more. A server
// that checktype=off leaves as it is counts as well.
func (l *harness) settle(c condition) {
	for _, sv := range l.services {
		for _, s := range sv.servers {
			s.health.Up = s.health.Up || sv.conf.CheckType == config.CheckOff
		}
	}
	orders{l.cluster}.maintain(l.now, c.files)
	for range 2 {
		l.check(c.bad...)
	}
	l.reports.alerts.phase = config.AlertRunning
	l.now = t0.Add(24 * time.Hour)
	l.pass(0)
	l.w.told = nil
	l.reports.alerts.limits = ratelimit.Limits{} // what was held back on the way here is no consequence
}

// consequences are what events that concern everything have.
func (l *harness) consequences() []any {
	l.now = t0.Add(48 * time.Hour)
	for _, bad := range [][]string{{"192.168.80.110"}, {"192.168.80", "fd00"}, nil} {
		for range 2 {
			l.check(bad...)
			l.pass(time.Hour)
		}
	}
	orders{l.cluster}.maintain(l.now, map[string]string{"192.168.80.110:80": "rs1"})
	orders{l.cluster}.maintain(l.now, nil)
	l.check()
	l.stop(l.now)
	return l.w.told
}

// paces are the checks that are made, and how soon each is made again.
func (l *harness) paces() map[spec.ID]time.Duration {
	all := map[spec.ID]time.Duration{}
	for id := range l.checkedBy {
		all[id] = paceOf(l.checkedBy[id])
	}
	return all
}

// Reloading from any variant to any other comes to the same as starting with
// the other, in whatever condition real servers are: what is asked of the
// dataplane, how checks are made, and what everything that happens then leads
// to.
func TestReloadComesToTheSameAsAStart(t *testing.T) {
	all := parseVariants(t)
	if len(all) < 40 {
		t.Fatalf("%d variants", len(all))
	}
	for _, cond := range conditions {
		t.Run(cond.name, func(t *testing.T) {
			t.Parallel()
			differ, first := 0, ""
			tell := func(from, to string, d func() string) {
				if differ++; differ == 1 { // words take long
					first = fmt.Sprintf("from %q to %q: %s", from, to, d())
				}
			}
			for i, to := range variants {
				next := all[to]
				want := newHarness(next)
				want.settle(cond)
				then := want.consequences()
				for j, from := range variants {
					follow := then
					if (i+j)%16 != 0 { // they take long, and follow from what is compared anyway
						follow = nil
					}
					if d := differs(all[from], next, cond, follow); d != nil {
						tell(from, to, d)
					}
				}
			}
			if differ > 0 {
				t.Errorf("%d of %d pairs differ, such as %s", differ, len(all)*len(all), first)
			}
		})
	}
}

// differs returns what says in words what of a reload is not as a start with the
// same history, and with the same events afterwards, would have it; nil for nothing.
func differs(from, to *config.Config, cond condition, then []any) func() string {
	l := newHarness(from)
	l.settle(cond)
	l.reports.alerts.phase = config.AlertReloading
	before := maps.Clone(l.w.served)
	l.configure(l.now, to, nil)

	fresh := newHarness(to)
	served := map[dataplane.ServiceID]dataplane.VirtualService{}
	for i, sv := range fresh.services {
		sv.serviceHistory = l.services[i].serviceHistory
		for j, s := range sv.servers {
			old := l.services[i].servers[j]
			s.serverHistory = old.clone()
			for k := range s.checks {
				s.checks[k].checkHistory = old.checks[k].checkHistory
			}
		}
		if v, there := before[sv.conf.ID]; sv.begun {
			served[sv.conf.ID] = sv.wanted()
		} else if there { // it is not known yet what takes its place
			served[sv.conf.ID] = v
		}
	}
	switch {
	case !reflect.DeepEqual(fresh.reports.alerts.global, l.reports.alerts.global):
		return func() string { return "directives outside of sections" }
	case !reflect.DeepEqual(fresh.services, l.services):
		return func() string {
			return "services:\n" + cmp.Diff(fresh.services, l.services, cmp.Exporter(func(reflect.Type) bool { return true }))
		}
	case !reflect.DeepEqual(served, l.w.served):
		return func() string { return fmt.Sprintf("in the dataplane:\nwant %+v\n got %+v", served, l.w.served) }
	case !reflect.DeepEqual(fresh.paces(), l.paces()):
		return func() string { return fmt.Sprintf("checks:\nwant %+v\n got %+v", fresh.paces(), l.paces()) }
	}
	if then == nil {
		return nil
	}
	l.settle(cond)
	if now := l.consequences(); !reflect.DeepEqual(then, now) {
		return func() string { return "what follows:\n" + firstDifference(then, now) }
	}
	return nil
}

func firstDifference(want, got []any) string {
	for i := range max(len(want), len(got)) {
		var w, g any
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if !reflect.DeepEqual(w, g) {
			return fmt.Sprintf("%d: want %+v\n %d: got %+v", i, w, i, g)
		}
	}
	return ""
}
