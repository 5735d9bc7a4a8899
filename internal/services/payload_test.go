package services_test

import (
	"testing"

	"github.com/shunt-lb/shunt/internal/services"
)

func TestPayload(t *testing.T) {
	for request, want := range map[string]string{
		"/00ff":            "\x00\xff",
		"0a0B":             "\n\v",
		"/ff ff:ff":        "\xff\xff\xff",
		"/text:PING\\n":    "PING\n",
		"/text:/ff":        "/ff",
		"/text:":           "",
		`/text:\x41`:       `\x41`,
		"text: blank ":     " blank ",
		"/deadbeef":        "\xde\xad\xbe\xef",
		"/24:74:ab cd\tff": "error", // a tab is none of these
		"/PING":            "error",
		"/abc":             "error",
		"/":                "error",
		"":                 "error",
		"/Text:x":          "error",
	} {
		got, err := services.Payload(request)
		if err != nil {
			got = []byte("error")
		}
		if string(got) != want {
			t.Errorf("%q: %q, %v, want %q", request, got, err, want)
		}
	}
}
