package services_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/services"
)

// TestTable looks at what every row has to fulfil.
func TestTable(t *testing.T) {
	ports := map[uint16]string{}
	for _, name := range services.Names() {
		s, ok := services.Named(name)
		if !ok || s.Name != name {
			t.Errorf("%s is not found by its name", name)
		}
		if s.Port != 0 {
			if other := ports[s.Port]; other != "" {
				t.Errorf("%s and %s are both on %d", name, other, s.Port)
			}
			ports[s.Port] = name
			if got := services.On(s.Port); got != name {
				t.Errorf("%s is on %d, where %s is found", name, s.Port, got)
			}
		}
		if s.Query && !s.Uses.Has(services.Login|services.Request) {
			t.Errorf("%s has a query and uses no login or request", name)
		}
		if (s.URL != services.NoURL) != s.Uses.Has(services.Method) || s.URL != services.NoURL && !s.Uses.Has(services.Request) {
			t.Errorf("%s has a URL and no request, or a method and no URL", name)
		}
		if s.Login != "" && !s.Uses.Has(services.Login) || s.Passwd != "" && !s.Uses.Has(services.Passwd) {
			t.Errorf("%s has credentials that it does not use", name)
		}
		if (s.Line != "") != (s.Sorry == services.SorryLine) || strings.ContainsAny(s.Line, "\r\n") {
			t.Errorf("%s: line %q", name, s.Line)
		}
	}
	if names := services.Names(); len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Errorf("some names are there twice: %q", names)
	}
}

func TestUnknown(t *testing.T) {
	if s, ok := services.Named("gopher"); ok || s != (services.Service{}) {
		t.Errorf("gopher is %+v", s)
	}
	for _, port := range []uint16{0, 8080} {
		if got := services.On(port); got != services.None {
			t.Errorf("%s is on %d", got, port)
		}
	}
}

// TestVerifies: pops has nothing to protect without a login.
func TestVerifies(t *testing.T) {
	for name, want := range map[string][2]bool{
		"imaps": {true, true}, "pops": {false, true}, "tls": {true, true}, "https": {}, "imap": {},
	} {
		s, _ := services.Named(name)
		if got := [2]bool{s.Verifies(""), s.Verifies("joe")}; got != want {
			t.Errorf("%s without and with a login: %v, want %v", name, got, want)
		}
	}
}
