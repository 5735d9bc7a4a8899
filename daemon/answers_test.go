package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/schema"
	"github.com/shunt-lb/shunt/director"
)

// strictly has objects of a schema have no fields but those that it names: a test sees
// one that it lacks.
func strictly(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Properties) > 0 {
		s.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}}
	}
	for _, part := range s.Properties {
		strictly(part)
	}
	strictly(s.Items)
}

// TestAnswersFollowTheSchema: what the API of a running shunt answers is what its schema
// says, field by field.
func TestAnswersFollowTheSchema(t *testing.T) {
	b := set(t, "checkinterval=1\nquorum=2\nvirtual=%VIP%\n\tservicename=shop\n\treal=%REAL% masq 2\n\treal=127.0.0.1:1 masq\n\tfallback=sorry\n\tchecktype=connect\n")
	conn := b.connect()
	defer conn.Close()
	control := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", b.o.Control[0])
	}}}
	defer control.CloseIdleConnections()
	real := ""
	if st, err := admin.Dial(b.o.Control[0]).Status(t.Context()); err != nil {
		t.Fatal(err)
	} else {
		real = st.Services[0].Servers[0].Server
	}
	_, err := admin.Dial(b.o.Control[0]).Order(t.Context(), director.Order{Verb: director.VerbWeight, Real: real, Weight: "7", Reason: "a test"})
	mustDo(t, err)

	var whole jsonschema.Schema
	ask := func(method, path string) []byte {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://shunt"+path, nil)
		mustDo(t, err)
		resp, err := control.Do(req)
		mustDo(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		mustDo(t, err)
		return body
	}
	resp, err := http.Get("http://" + b.Admin() + "/api/v1/schema")
	mustDo(t, err)
	defer resp.Body.Close()
	published, err := io.ReadAll(resp.Body)
	mustDo(t, err)
	if !bytes.Equal(published, schema.V1) {
		t.Errorf("the schema that is served is not the one of the package")
	}
	mustDo(t, json.Unmarshal(published, &whole))
	for _, c := range []struct{ name, method, path string }{
		{"status", "GET", "/api/v1/status"},
		{"history", "GET", "/api/v1/history"},
		{"orders", "GET", "/api/v1/orders"},
		{"explain", "GET", "/api/v1/explain?name=shop"},
		{"explain", "GET", "/api/v1/explain?name=" + real},
		{"reload", "POST", "/api/v1/reload?dry"},
		{"reload", "POST", "/api/v1/reload"},
		{"error", "GET", "/api/v1/explain?name=nobody"},
		{"events", "GET", "/api/v1/events"},
		{"connections", "GET", "/api/v1/connections"},
	} {
		part := whole.Defs[c.name]
		strictly(part)
		resolved, err := part.Resolve(nil)
		mustDo(t, err)
		answers := [][]byte{ask(c.method, c.path)}
		if c.name == "events" || c.name == "connections" { // an answer a line
			text := answers[0]
			answers = nil
			for in := bufio.NewScanner(bytes.NewReader(text)); in.Scan(); {
				answers = append(answers, bytes.Clone(in.Bytes()))
			}
		}
		if len(answers) == 0 {
			t.Errorf("%s: there is no answer", c.path)
		}
		for _, text := range answers {
			var answer any
			if err := json.Unmarshal(text, &answer); err != nil {
				t.Errorf("%s: %v in %s", c.path, err, text)
				continue
			}
			if err := resolved.Validate(answer); err != nil {
				t.Errorf("%s: %v in\n%s", c.path, err, text)
			}
		}
		if c.name == "status" && !strings.HasPrefix(string(answers[0]), `{"api":1,"version":`) {
			t.Errorf("a status begins with %.40s", answers[0])
		}
	}
}
