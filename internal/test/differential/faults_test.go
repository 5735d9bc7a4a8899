//go:build kernel

package differential

import (
	"io"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"testing"
)

// A fault is what is wrong with a service of a real server.
type fault int

const (
	noFault       fault = iota
	loginRefused        // whoever logs in
	requestFails        // the query is in error, the file is not there
	otherAnswer         // the query finds no row, the file holds another text
	otherProtocol       // a greeting of SSH, and the end
	silence             // connections are accepted, and nothing is said
	closing             // connections are accepted, and closed
	stopped             // nobody listens
)

// sessions are the services that have faults: how each is spoken on a
// connection, by port.
var sessions = map[int]func(s *server, conn net.Conn, f fault){
	21: (*server).ftp, 3306: (*server).mysql, 5432: (*server).pgsql,
}

// A faulty is a service that events give faults.
type faulty struct {
	listeners []net.Listener
	now       atomic.Pointer[condition]
}

// A condition is how a service is until over is closed.
type condition struct {
	fault fault
	over  chan struct{}
}

// set gives services of s a fault, all that have any if there is no port.
func (s *server) set(t *testing.T, f fault, ports ...int) {
	t.Helper()
	if len(ports) == 0 {
		ports = slices.Sorted(maps.Keys(sessions))
	}
	for _, port := range ports {
		service := s.faulty[port]
		before := service.now.Swap(&condition{fault: f, over: make(chan struct{})})
		if before != nil {
			close(before.over)
		}
		switch {
		case f == stopped:
			for _, ln := range service.listeners {
				_ = ln.Close()
			}
		case before == nil || before.fault == stopped:
			service.listeners = s.serve(t, port, func(conn net.Conn) { s.speak(conn, port) })
		}
	}
}

// speak has one connection to a service with faults.
func (s *server) speak(conn net.Conn, port int) {
	switch now := s.faulty[port].now.Load(); now.fault {
	case closing:
	case silence:
		<-now.over
	case otherProtocol:
		_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2p1\r\n")
	default:
		sessions[port](s, conn, now.fault)
	}
}

// has gives the first two real servers a fault each.
func has(one, two fault) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		w.servers[0].set(t, one)
		w.servers[1].set(t, two)
	}
}

// falls has one service of the first real server fall silent, and all others be
// well.
func falls(port int) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		has(noFault, noFault)(t, w)
		w.servers[0].set(t, silence, port)
	}
}

// faults are the events of services that have any. A database that is silent has
// ldirectord wait for ever, with whatever table it has.
var faults = []event{
	{name: "start", happens: begin("1:2 2:1", "yes"), table: "1:2 2:1"},
	{name: "1 refuses the login", happens: has(loginRefused, noFault), table: "2:1"},
	{name: "2 fails the request", happens: has(noFault, requestFails), table: "1:2"},
	{name: "1 gives another answer", happens: has(otherAnswer, noFault), table: "2:1"},
	{name: "2 speaks another protocol", happens: has(noFault, otherProtocol), table: "1:2"},
	{name: "1 closes connections", happens: has(closing, noFault), table: "2:1"},
	{name: "2 is stopped", happens: has(noFault, stopped), table: "1:2"},
	{name: "both are well", happens: has(noFault, noFault), table: "1:2 2:1"},
	{name: "ftp of 1 is silent", happens: falls(21), table: "1:2 2:1"},
	{name: "ftp of 1 is well", happens: has(noFault, noFault), table: "1:2 2:1"},
	{name: "mysql of 1 is silent", happens: falls(3306), table: "1:2 2:1", halts: true},
	{name: "mysql of 1 is well", happens: has(noFault, noFault), table: "1:2 2:1"},
	{name: "pgsql of 1 is silent", happens: falls(5432), table: "1:2 2:1", halts: true},
	{name: "pgsql of 1 is well", happens: has(noFault, noFault), table: "1:2 2:1"},
	{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
}

// withFaults are the services that have faults, each with what it does not share
// with the others.
func withFaults() []section {
	login := "login=\"joe\"\npasswd=\"secret\"\n"
	query := login + "database=\"shop\"\nrequest=\"" + question + "\""
	ftp := checked("t", "21", "ftp", login+"request=\"well.txt\"\nreceive=\"is well\"")
	ftp.tables = map[string]string{"ftp of 1 is silent": "2:1"}
	mysql, pgsql := checked("t", "3306", "mysql", query), checked("t", "5432", "pgsql", query)
	mysql.differs = map[string]difference{"mysql of 1 is silent": {ldirectord: "1:2 2:1", shunt: "2:1"}}
	pgsql.differs = map[string]difference{"pgsql of 1 is silent": {ldirectord: "1:2 2:1", shunt: "2:1"}}
	return []section{ftp, mysql, pgsql}
}
