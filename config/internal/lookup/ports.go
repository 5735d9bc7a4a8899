package lookup

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/files"
)

// Ports know ports by the names of the services database: "http/tcp".
type Ports map[string]uint16

// Port finds the port of a name. Without a protocol tcp is tried before udp.
func (db Ports) Port(name string, p dataplane.Protocol) (uint16, bool) {
	protos := []string{"tcp", "udp"}
	if p == dataplane.TCP || p == dataplane.UDP {
		protos = []string{p.String()}
	}
	for _, proto := range protos {
		if n, ok := db[name+"/"+proto]; ok {
			return n, true
		}
	}
	n, ok := wellKnown[name]
	return n, ok
}

// wellKnown are the names for machines without a services database.
var wellKnown = map[string]uint16{
	"ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "www": 80, "pop3": 110, "nntp": 119, "ntp": 123,
	"imap2": 143, "imap": 143, "ldap": 389, "https": 443, "submission": 587, "ldaps": 636, "imaps": 993, "pop3s": 995,
	"oracle": 1521, "radius": 1812, "squid": 3128, "mysql": 3306, "sip": 5060, "postgresql": 5432,
}

// SystemPorts returns a function that reads the system's services database with
// its first call. A machine without one has wellKnown alone, and the error says
// why.
func SystemPorts() func() (Ports, error) {
	return sync.OnceValues(func() (Ports, error) {
		text, err := files.Read("/etc/services", maxRead)
		return readPorts(bytes.NewReader(text)), err
	})
}

// readPorts reads the format of services(5). Lines it does not understand
// are skipped.
func readPorts(r io.Reader) Ports {
	db := Ports{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) < 2 {
			continue
		}
		number, proto, ok := strings.Cut(words[1], "/")
		port, err := strconv.ParseUint(number, 10, 16)
		if !ok || err != nil {
			continue
		}
		for _, name := range append(words[:1:1], words[2:]...) {
			if _, dup := db[name+"/"+proto]; !dup {
				db[name+"/"+proto] = uint16(port)
			}
		}
	}
	return db
}
