package admin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/director"
)

func TestPageEscapes(t *testing.T) {
	body := get(newServer(t, tells(fixture.Poisoned())), "/").Body.String()
	if n := strings.Count(body, "&lt;script&gt;alert(1)"); n < 20 {
		t.Errorf("only %d of the hostile strings are shown", n)
	}
	for _, bad := range []string{"<script>alert", "<img"} {
		if strings.Contains(body, bad) {
			t.Errorf("%s gets through", bad)
		}
	}
	if !strings.HasSuffix(body, "</html>\n") {
		t.Error("the page breaks off")
	}
}

// TestPagePolicy: the policy names what is inline on the page, and nothing
// else would run.
func TestPagePolicy(t *testing.T) {
	w := get(newServer(t, tells(troubled())), "/")
	policy := w.Header().Get("Content-Security-Policy")
	for _, tag := range []string{"style", "script"} {
		parts := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(w.Body.String(), -1)
		if len(parts) != 1 {
			t.Fatalf("%d times %s", len(parts), tag)
		}
		sum := sha256.Sum256([]byte(parts[0][1]))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("no %s in %s", want, policy)
		}
	}
	if regexp.MustCompile(`\s(style|on[a-z]+)=`).MatchString(w.Body.String()) {
		t.Error("an attribute that the policy forbids")
	}
}

func TestPageTells(t *testing.T) {
	body := get(newServer(t, tells(troubled())), "/").Body.String()
	for _, want := range []string{
		"auto: the kernel has no IPVS", "Reload refused at 2026-03-14 15:04:26", "ldirectord.cf:12:2: error: unknown directive",
		"Not ready", "configuration: 1</summary>", "Not served as configured", "address already in use", "fallback active",
		"connect 192.168.80.120:80: connection refused", "file /etc/ha.d/maintenance/web3", "82.1 GiB out",
		`<noscript><meta http-equiv="refresh"`, "no real server is left",
		"another machine claims 10.0.0.100", "192.168.80.130:80: it claims",
		"waiting 2, refused 3 (unreachable 2, queue 1), denied 12, throttled 7, cut 5", "connections 20000 of 20000, clients waited 17 times<br>flows 812 of 65536, evicted 9",
		"<strong>Full</strong>new connections wait", "Waiting for 1 that the configuration names", "no address found for",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Index(body, "no real server is left") > strings.LastIndex(body, "2026-03-14 15:07:51") {
		t.Error("the latest transition is not first")
	}
	if body := get(newServer(t, tells(director.Status{})), "/").Body.String(); !strings.Contains(body, "No virtual services.") {
		t.Error("an empty status shows nothing")
	}
}
