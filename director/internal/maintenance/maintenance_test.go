package maintenance

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestMaintenanceNames(t *testing.T) {
	real4 := Real{Addr: netip.MustParseAddrPort("192.168.80.110:80"), Name: "web1.example.test"}
	real6 := Real{Addr: netip.MustParseAddrPort("[fd00::1]:80"), Name: "fd00::1"}
	for file, want := range map[string]string{
		"192.168.80.110:80":    "4",
		"192.168.80.110":       "4",
		"192.168.80.110:81":    "",
		"web1.example.test":    "4",
		"web1.example.test:80": "4",
		"[fd00::1]:80":         "6",
		"[fd00::1]":            "6",
		"README":               "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		m := New()
		m.names[real4.Addr.Addr()] = hostName{until: time.Now().Add(time.Hour)}
		m.names[real6.Addr.Addr()] = hostName{until: time.Now().Add(time.Hour)}
		got, _, err := m.Find(dir, []Real{real4, real6})
		if err != nil {
			t.Fatal(err)
		}
		matched := ""
		if got[real4.Addr.String()] != "" {
			matched += "4"
		}
		if got[real6.Addr.String()] != "" {
			matched += "6"
		}
		if matched != want {
			t.Errorf("file %s keeps out %q, want %q", file, matched, want)
		}
	}
}

func TestMaintenanceByHostName(t *testing.T) {
	r := Real{Addr: netip.MustParseAddrPort("192.168.80.110:80"), Name: "192.168.80.110"}
	for _, file := range []string{"Web1.example.test", "Web1", "Web1:80"} {
		m := New()
		m.names[r.Addr.Addr()] = hostName{name: "Web1.example.test", until: time.Now().Add(time.Hour)}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		got, _, err := m.Find(dir, []Real{r})
		if err != nil || got[r.Addr.String()] != file {
			t.Errorf("file %s: %v, %v", file, got, err)
		}
	}
}
