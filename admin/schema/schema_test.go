package schema_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"reflect"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/schema"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

var update = flag.Bool("update", false, "write the schema anew")

// answers are the types of the API's answers, by the last part of their path.
var answers = map[string]reflect.Type{
	"status":      reflect.TypeFor[director.Status](),
	"history":     reflect.TypeFor[[]director.ServerHistory](),
	"orders":      reflect.TypeFor[[]director.OrderStatus](),
	"explain":     reflect.TypeFor[director.Explanation](),
	"reload":      reflect.TypeFor[director.Plan](),
	"events":      reflect.TypeFor[director.Event](),
	"connections": reflect.TypeFor[admin.ConnectionLine](),
	"error":       reflect.TypeFor[admin.Failure](),
}

func generate(t *testing.T) []byte {
	t.Helper()
	o := jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[director.Seconds](): {Type: "number", Description: "seconds"},
		reflect.TypeFor[netip.AddrPort]():   {Type: "string", Description: "address and port, or empty"},
		reflect.TypeFor[dataplane.Refusals](): {
			Type: "object", Description: "clients by why they were refused", AdditionalProperties: &jsonschema.Schema{Type: "integer"},
		},
	}}
	whole := &jsonschema.Schema{
		Schema: "https://json-schema.org/draft/2020-12/schema",
		Title:  "shunt API, version 1",
		Defs:   map[string]*jsonschema.Schema{},
		Description: "The answers of /api/v1, by the last part of their path; error is that of all others. " +
			"Of events and connections each line, or each data field of an event stream, is one. Fields may be added.",
	}
	for name, typ := range answers {
		s, err := jsonschema.ForType(typ, &o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		open(s)
		if name == "connections" { // a line is a connection, or the end
			s.Required = nil
		}
		whole.Defs[name] = s
	}
	text, err := json.MarshalIndent(whole, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// open takes back that objects have no other fields: later ones may.
func open(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Properties) > 0 {
		s.AdditionalProperties = nil
	}
	for _, p := range s.Properties {
		open(p)
	}
	open(s.Items)
	if s.AdditionalProperties != nil {
		open(s.AdditionalProperties)
	}
}

// TestSchema: the schema says of each answer what its type says. After a change of a type
// run the test with -update, and look at the difference: in a version fields are added,
// and that is all.
func TestSchema(t *testing.T) {
	want := generate(t)
	if *update {
		if err := os.WriteFile("v1.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(want, schema.V1) {
		t.Error("v1.json is not what the types say: run the test with -update, and see which field has changed")
	}
}
