//go:build packages

package packaging_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// TestImage: the image is built from scratch and runs as a user without rights: it
// serves on the proxy, its health check is what status says, and nothing but what it
// needs is in it. The processes of a container are made by buildah alone, without
// namespaces of their own, so that this needs no right that a container would not have.
func TestImage(t *testing.T) {
	store := t.TempDir()
	tool := []string{"buildah", "--storage-driver", "vfs", "--root", filepath.Join(store, "root"), "--runroot", filepath.Join(store, "run")}
	t.Setenv("BUILDAH_ISOLATION", "chroot")
	buildah := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(tool[0], append(tool[1:], args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("buildah %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	makes(t, "container", "BUILDAH="+strings.Join(tool, " "))
	if health := buildah("inspect", "--format", "{{.Docker.Config.Healthcheck.Test}} as {{.Docker.Config.User}}", "shunt"); health != "[CMD /usr/sbin/shunt status] as 65532:65532" {
		t.Errorf("the health check is %q", health)
	}
	image := buildah("from", "shunt")
	t.Cleanup(func() { buildah("rm", image) })

	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from the real server") }))
	defer real.Close()
	vip, etc := process.FreeAddr(t), t.TempDir()
	if err := os.Chmod(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(etc, "ldirectord.cf")
	write(t, conf, fmt.Sprintf("checkinterval=1\nvirtual=%s\n\treal=%s masq\n\tservice=http\n\tchecktype=connect\n", vip, real.Listener.Addr()))
	if err := os.Chmod(conf, 0o644); err != nil {
		t.Fatal(err)
	}
	in := append(tool[1:], "run", "-v", etc+":/etc/ha.d:ro", image, "--", "/usr/sbin/shunt")
	shunt := process.Start(t, tool[0], append(in, "run", "--dataplane=proxy", "--admin=")...)
	wait.For(t, "a client is served", func() (string, bool) {
		resp, err := http.Get("http://" + vip.String() + "/")
		if err != nil {
			return err.Error(), false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return fmt.Sprint(string(text), err), string(text) == "from the real server"
	})
	if out, err := exec.Command(tool[0], append(in, "status")...).CombinedOutput(); err != nil || !strings.Contains(string(out), "its virtual service is well") {
		t.Errorf("the health check: %v\n%s", err, out)
	}
	if user := userOf(t, "/usr/sbin/shunt\x00run\x00--dataplane=proxy\x00--admin=\x00"); user != 65532 {
		t.Errorf("shunt runs as user %d", user)
	}
	shunt.Stop()
}

// userOf returns the user of the process with a command line.
func userOf(t *testing.T, line string) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil || string(text) != line {
			continue // it may have ended
		}
		status := read(t, filepath.Join(filepath.Dir(path), "status"))
		_, rest, _ := strings.Cut(status, "\nUid:\t")
		word, _, _ := strings.Cut(rest, "\t")
		user, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		return user
	}
	t.Fatalf("no process has the command line %q", line)
	return 0
}
