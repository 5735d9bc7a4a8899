package checks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// The check that ldirectord.cf asks for with service=http,
// request="index.html" and receive="Test Page".
func Example() {
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "<h1>Maintenance</h1>")
	}))
	defer real.Close()

	check, ok := checks.For("http")
	if !ok {
		panic("no such check")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	err := check(ctx, checks.Target{
		Addr:    netip.MustParseAddrPort(real.Listener.Addr().String()),
		Request: "/index.html",
		Receive: receive("Test Page"),
	})
	if e, ok := errors.AsType[*checks.Error](err); ok {
		fmt.Println(e.Check, "check:", e.Err)
	}
	// Output: http check: body does not match "Test Page"
}
