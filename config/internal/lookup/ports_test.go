package lookup

import (
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
)

const database = `# comment
http		80/tcp		www	# WorldWideWeb
http		8080/tcp
syslog		514/udp
shell		514/tcp		cmd
broken
broken		many/tcp
broken		99999/tcp
`

func TestReadPorts(t *testing.T) {
	db := readPorts(strings.NewReader(database))
	tests := []struct {
		name  string
		proto dataplane.Protocol
		port  uint16
		ok    bool
	}{
		{"http", dataplane.TCP, 80, true},
		{"www", dataplane.TCP, 80, true},
		{"www", 0, 80, true},
		{"syslog", dataplane.UDP, 514, true},
		{"syslog", dataplane.TCP, 0, false},
		{"syslog", 0, 514, true},
		{"cmd", dataplane.FWMark, 514, true},
		{"http", dataplane.UDP, 80, true}, // well known, whatever the database lacks
		{"sip", dataplane.UDP, 5060, true},
		{"broken", 0, 0, false},
	}
	for _, tt := range tests {
		if port, ok := db.Port(tt.name, tt.proto); port != tt.port || ok != tt.ok {
			t.Errorf("%s/%d: %d, %v, want %d, %v", tt.name, tt.proto, port, ok, tt.port, tt.ok)
		}
	}
}
