package daemon

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// TestAdminWrite: orders over the admin address need a token, are carried out as those of
// the control socket are, and say whose token it was. Without tokens there are none.
func TestAdminWrite(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	dir := t.TempDir()
	tokens, file := filepath.Join(dir, "tokens"), filepath.Join(dir, "test.cf")
	vip, real := process.FreeAddr(t).String(), echo(t)
	mustDo(t, os.WriteFile(tokens, []byte("deploy "+secret+"\n"), 0o600))
	mustDo(t, os.WriteFile(file, []byte("virtual="+vip+"\n\treal="+real+" masq\n\tfallback=sorry\n\tchecktype=connect\n"), 0o600))
	start := func(adminAddr, write string) (*Daemon, error) {
		d := New(Options{
			Config: file, Admin: adminAddr, AdminWrite: write, Control: []string{filepath.Join(dir, "run", "control.sock")},
			Dataplane: onProxy, LogFormat: "text", LogLevel: slog.LevelError,
		})
		if err := d.Start(t.Context()); err != nil {
			return nil, err
		}
		return d, nil
	}
	post := func(d *Daemon, path, body, token string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+d.Admin()+path, strings.NewReader(body))
		mustDo(t, err)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		mustDo(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		mustDo(t, err)
		return resp.StatusCode, string(bytes.TrimSpace(text))
	}
	orders := []struct{ path, body, want string }{
		{"/api/v1/orders", `{"verb":"drain","real":"` + real + `","reason":"ticket 17"}`, `"by":"token deploy from 127.0.0.1"`},
		{"/api/v1/orders", `{"verb":"ready","real":"` + real + `"}`, `"state":"ready"`},
		{"/api/v1/fallback", `{"service":"` + vip + `","on":true}`, `{}`},
		{"/api/v1/reload?dry", ``, `"kept":1`},
		{"/api/v1/reload", ``, `"kept":1`},
	}

	d, err := start("127.0.0.1:0", tokens)
	mustDo(t, err)
	for _, o := range orders {
		for _, wrong := range []string{"", secret[1:]} {
			if code, text := post(d, o.path, o.body, wrong); code != http.StatusUnauthorized || !strings.Contains(text, "token") {
				t.Errorf("%s with the token %q: %d %s", o.path, wrong, code, text)
			}
		}
		if st, err := d.Status(t.Context()); err != nil || st.Config.Reloads > 0 {
			t.Errorf("%s: refused orders have reloaded: %v", o.path, err)
		}
	}
	if all, err := admin.Dial(d.o.Control[0]).Orders(t.Context(), "", ""); err != nil || len(all) > 0 {
		t.Errorf("refused orders are in force: %+v, %v", all, err)
	}
	for _, o := range orders {
		if code, text := post(d, o.path, o.body, secret); code != http.StatusOK || !strings.Contains(text, o.want) {
			t.Errorf("%s: %d %s, want %s", o.path, code, text, o.want)
		}
	}
	if code, text := post(d, "/api/v1/orders", `{"verb":"drain","real":"192.0.2.1"}`, secret); code != http.StatusConflict || !strings.Contains(text, "no real server is called 192.0.2.1") {
		t.Errorf("a server that nobody has: %d %s", code, text)
	}
	if code, text := post(d, "/api/v1/orders", `{"verb":"drain","real":"`+real+`","by":"root"}`, secret); code != http.StatusBadRequest {
		t.Errorf("an order that says who gives it: %d %s", code, text)
	}
	mustDo(t, d.Stop(context.Background()))

	d, err = start("127.0.0.1:0", "")
	mustDo(t, err)
	for _, o := range orders {
		if code, text := post(d, o.path, o.body, secret); code != http.StatusForbidden || !strings.Contains(text, "--admin-write") {
			t.Errorf("%s without tokens: %d %s", o.path, code, text)
		}
	}
	mustDo(t, d.Stop(context.Background()))

	mustDo(t, os.Chmod(tokens, 0o644))
	if _, err := start("127.0.0.1:0", tokens); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("tokens for everybody: %v", err)
	}
}
