package config_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/config"
)

// TestRoundTripProperty makes files of random directives with values that are
// right, and checks that they are read, printed and read again as the same.
func TestRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := file(t)
		c, err := config.Parse(t.Context(), "random.cf", []byte(text), config.Options{Resolver: testHosts})
		if err != nil {
			t.Fatalf("%v\nin:\n%s", err, text)
		}
		roundTrip(t, c)
	})
}

// TestGlobalsAnywhereProperty: it makes no difference whether global lines
// stand before or after the sections.
func TestGlobalsAnywhereProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		globals, sections := globalLines(t), sectionLines(t)
		before := parsed(t, globals+sections)
		after := parsed(t, sections+globals)
		if string(config.Print(before)) != string(config.Print(after)) {
			t.Fatalf("globals first:\n%s\nlast:\n%s", config.Print(before), config.Print(after))
		}
	})
}

func parsed(t *rapid.T, text string) *config.Config {
	c, err := config.Parse(t.Context(), "random.cf", []byte(text), config.Options{Resolver: testHosts})
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	return c
}

func file(t *rapid.T) string { return globalLines(t) + sectionLines(t) }

func globalLines(t *rapid.T) string {
	return lines(t, "", globalValues)
}

func sectionLines(t *rapid.T) string {
	var b strings.Builder
	for i := range rapid.IntRange(0, 4).Draw(t, "sections") {
		head, real, addr := "virtual", "real", address4
		other, otherAddr := "real6", address6
		if rapid.Bool().Draw(t, "six") {
			head, real, addr = "virtual6", "real6", address6
			other, otherAddr = "real", address4
		}
		mark := rapid.Bool().Draw(t, "mark")
		if mark {
			fmt.Fprintf(&b, "%s=%d\n", head, i+1)
		} else {
			port := rapid.SampledFrom([]string{"21", "53", "80", "5060", "8080", "http"}).Draw(t, "port")
			fmt.Fprintf(&b, "%s=%s:%s\n", head, addr(t, 200+i), port)
			if rapid.Bool().Draw(t, "udp") {
				b.WriteString("    protocol=udp\n")
			}
		}
		b.WriteString(lines(t, "    ", sectionValues))
		for range rapid.IntRange(0, 4).Draw(t, "reals") {
			if rapid.Bool().Draw(t, "other family") {
				fmt.Fprintf(&b, "    %s=%s\n", other, realLine(t, otherAddr, "ipip"))
				continue
			}
			fmt.Fprintf(&b, "    %s=%s\n", real, realLine(t, addr, "gate", "masq", "ipip"))
		}
	}
	return b.String()
}

func address4(t *rapid.T, n int) string { return fmt.Sprintf("192.0.2.%d", n) }

func address6(t *rapid.T, n int) string { return fmt.Sprintf("[2001:db8::%x]", n) }

func realLine(t *rapid.T, addr func(*rapid.T, int) string, forward ...string) string {
	s := addr(t, rapid.IntRange(1, 20).Draw(t, "real"))
	if rapid.Bool().Draw(t, "with port") {
		s += fmt.Sprintf(":%d", rapid.IntRange(1, 65535).Draw(t, "port"))
	}
	s += " " + rapid.SampledFrom(forward).Draw(t, "forward")
	if rapid.Bool().Draw(t, "with weight") {
		s += fmt.Sprintf(" %d", rapid.IntRange(0, 65535).Draw(t, "weight"))
	}
	if rapid.Bool().Draw(t, "with pair") {
		s += fmt.Sprintf(` "%s","%s"`, plain(t), plain(t))
	}
	if rapid.Bool().Draw(t, "with thresholds") {
		upper := rapid.IntRange(1, 1000).Draw(t, "upper")
		s += fmt.Sprintf(" u:%d l:%d", upper, rapid.IntRange(0, upper).Draw(t, "lower"))
	}
	if rapid.Bool().Draw(t, "with limit") {
		s += fmt.Sprintf(" m:%d", rapid.IntRange(0, 3).Draw(t, "maxconn"))
	}
	return s
}

// plain is text that may stand in quotes and is a pattern as well.
func plain(t *rapid.T) string {
	return rapid.StringMatching(`[ !$%&',./0-9:;<=>@A-Za-zäß日#]{0,12}`).Filter(func(s string) bool { return !strings.Contains(s, `"`) }).Draw(t, "text")
}

type generator func(*rapid.T) string

func of(words ...string) generator {
	return func(t *rapid.T) string { return rapid.SampledFrom(words).Draw(t, "word") }
}

func number(lo, hi int) generator {
	return func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(lo, hi).Draw(t, "number")) }
}

func inQuotes(t *rapid.T) string { return `"x` + plain(t) + `"` }

func untilEnd(t *rapid.T) string {
	return "x" + rapid.StringMatching(`[ -"$-~]{0,20}`).Draw(t, "rest")
}

var bothValues = map[string]generator{
	"checktimeout":     number(1, 100),
	"negotiatetimeout": number(1, 100),
	"checkinterval":    number(1, 100),
	"fastinterval":     of("1", "500ms", "90s", "2m"),
	"downinterval":     of("1", "250ms", "1m0.5s"),
	"checkcount":       number(1, 9),
	"failurecount":     number(1, 9),
	"risecount":        number(1, 9),
	"quiescent":        of("yes", "no"),
	"cleanstop":        of("yes", "no"),
	"emailalert":       of("root", "a@example.test, b@example.test", `"x" <x@example.test>, y`, `"one@example.test"`),
	"emailalertfreq":   number(0, 100),
	"emailalertstatus": of("all", "none", "starting", "running, stopping", "reloading"),
	"smtp":             of("mail.example.test", "192.0.2.25"),
	"webhook":          of("none", "https://user:secret@hooks.example.test/x?y=z", `"http://[2001:db8::1]:8080/"`),
	"notify":           inQuotes,
	"fallback":         of("sorry", "127.0.0.1", "127.0.0.1:8080", "192.0.2.9:80 masq", "www.example.test:http ipip"),
	"fallback6":        of("sorry", "[::1]", "[2001:db8::9]:81 masq", "www.example.test"),
	"fallbackcommand":  inQuotes,
	"dataplane":        of("proxy", "ipvs"),
	"tunneltype":       of("ipip", "gre", "gue\ntunnelport=6080"),
	"interface":        of("eth0", "eth0.100", "br-lan@2"),
	"connecttimeout":   of("1", "1500ms"),
	"idletimeout":      of("1", "1h"),
	"maxconn":          number(0, 1000),
	"maxqueue":         number(0, 1000),
	"queuetimeout":     of("1", "250ms", "2m"),
	"keepalive":        of("1", "90s", "9h"),
	"tcpusertimeout":   of("1", "1500ms", "1h"),
	"ondown":           of("keep", "cut"),
	"expirequiescent":  of("yes", "no"),
	"proxyprotocol":    of("no", "v1", "v2"),
	"trustedproxies":   of("none", "192.0.2.7", "192.0.2.0/24, 2001:db8::/32", "::1,127.0.0.0/8"),
	"transparent":      of("yes", "no"),
	"draintimeout":     of("0", "10", "30", "1m"),
	"verify":           of("yes", "no"),
	"clientcert":       of("testdata/tls/pair.pem", "testdata/tls/cert.pem\nclientkey=testdata/tls/key.pem"),
	"checkclose":       of("fin", "rst"),
	"minvalid":         of("14d", "36h", "1"),
	"slowstart":        of("0", "30", "1m", "1500ms"),
	"checkpath":        of("direct", "vip"),
	"observe":          of("none", "connect"),
	"errorlimit":       number(1, 65535),
	"initstate":        of("kernel", "down", "up"),
	"quorum":           of("1\nhysteresis=0", "5\nhysteresis=5", "9\nhysteresis=2"),
	"quorumup":         inQuotes,
	"quorumdown":       inQuotes,
	"maxdown":          of("0%", "50", "100%"),
	"failopen":         of("yes", "no"),
	"sorrypage":        of("testdata/page", `"testdata/page/index.html"`),
	"sorrytitle":       of("The shop is closed"),
	"sorrystatus":      of("200", "203", "206", "503", "599"),
}

var globalValues = merged(bothValues, map[string]generator{
	"strict":           of("no"),
	"managesysctl":     of("yes", "no"),
	"webhookca":        of("/nowhere/ca.pem"),
	"alertlimit":       of("0", "10/m", "5/1h", "3"),
	"tunnelport":       number(1, 65535),
	"tcptimeout":       of("1", "15m", "744h"),
	"tcpfintimeout":    of("1", "2m"),
	"udptimeout":       of("1", "5m"),
	"autoreload":       of("yes", "no"),
	"checkconcurrency": number(1, 5000),
	"statemaxage":      of("0", "7d", "36h"),
	"callback":         inQuotes,
	"logfile":          inQuotes,
	"execute":          untilEnd,
	"supervised":       of("yes", "no"),
	"fork":             of("yes", "no"),
	"readdquiescent":   of("yes", "no"),
	"maintenancedir":   untilEnd,
	"emailalertfrom":   untilEnd,
})

var sectionValues = merged(bothValues, map[string]generator{
	"service":            of("http", "https", "ftp", "sip", "dns", "none", "mysql", "http_proxy", "pops", "tls", "agent", "file\ncheckfile=/run/states"),
	"scheduler":          of("rr", "wrr", "lc", "wlc", "sh", "mh", "nq"),
	"schedflags":         of("sh-port", "mh-port,mh-fallback", "flag-1"),
	"persistent":         number(0, 1000),
	"ops":                of("yes", "no"),
	"checktype":          of("negotiate", "connect", "ping", "external", "external-perl", "on", "off", "0", "3"),
	"checkport":          number(1, 65535),
	"checkcommand":       inQuotes,
	"checkfile":          of("/run/state"),
	"checkcommandweight": of("no", "yes", "percent"),
	"request":            inQuotes,
	"receive":            inQuotes,
	"check":              of("connect port=22", `redis port=6379 passwd="s3cret"`, `http request="/a b" receive="o.k"`, "ping", `mysql login=a request="SELECT 1"`),
	"agent":              of("9999", "none", "0", `9999 request="state"`),
	"httpmethod":         of("GET", "HEAD", "head"),
	"receivestatus":      of("200", "200-299,401", "200-299"),
	"header":             of("X-Check: yes", `"If-Match: "a""`, "Authorization: Basic abc=="),
	"httpversion":        of("1", "2"),
	"bodydigest":         of("sha256:" + strings.Repeat("0a", 32)),
	"virtualhost":        of("www.example.test", `"www.example.test"`),
	"login":              inQuotes,
	"passwd":             inQuotes,
	"database":           inQuotes,
	"secret":             inQuotes,
	"load":               inQuotes,
	"monitorfile":        inQuotes,
	"servicename":        untilEnd,
	"comment":            untilEnd,
})

func merged(a, b map[string]generator) map[string]generator {
	all := map[string]generator{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// lines draws some of the directives, in any order.
func lines(t *rapid.T, indent string, values map[string]generator) string {
	names := slices.Sorted(maps.Keys(values)) // draws must not depend on the order of a map
	var b strings.Builder
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 8, rapid.ID[string]).Draw(t, "directives") {
		text := strings.ReplaceAll(values[name](t), "\n", "\n"+indent) // some mean something only together
		fmt.Fprintf(&b, "%s%s=%s\n", indent, name, text)
	}
	return b.String()
}
