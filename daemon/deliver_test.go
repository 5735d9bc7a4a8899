package daemon

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/director"
)

// An event reaches a webhook over https whose authority is in a file, in the
// form that CONFIGURATION.md shows.
func TestDeliver(t *testing.T) {
	var got map[string]any
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("%v: %s", err, body)
		}
	}))
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	p := director.Post{URL: s.URL + "/hidden", CA: ca, Event: director.Event{
		Version: 1, Seq: 1773500966000042, Event: "down", Time: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), Host: "lb1", Status: "running", Service: "tcp 10.0.0.100:80",
		Name: "shop", Real: "10.0.0.11:80", Kind: "refused", Reason: "connect 10.0.0.11:80: connection refused",
		Text: "Deleted real server: 10.0.0.11:80 (10.0.0.100:80)",
	}}
	last := make(chan struct{})
	close(last)
	for _, missing := range []string{"", "no certificate"} {
		if missing != "" {
			if err := os.WriteFile(ca, []byte(missing), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := deliver(t.Context(), last, p); err == nil || !strings.Contains(err.Error(), "webhookca") || strings.Contains(err.Error(), "hidden") {
			t.Errorf("without authorities: %v", err)
		}
	}
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := deliver(t.Context(), last, p); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(text), `    {"version":1`)
	shown, _, _ = strings.Cut(shown, "}")
	var want map[string]any
	if err := json.Unmarshal([]byte(`{"version":1`+shown+"}"), &want); err != nil {
		t.Fatal(err)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %v, want %v", k, got[k], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
