//go:build kernel

package differential

import "strings"

// sickness are the events of services whose checks alone are compared.
var sickness = []event{
	{name: "start", happens: begin("1:2 2:1", "yes"), table: "1:2 2:1"},
	{name: "one check fails", happens: fail(1), table: "2:1"},
	{name: "it recovers", happens: mend(1), table: "1:2 2:1"},
	{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
}

// offered are the checks of ldirectord that are not of the web: each with the
// directives that it takes.
var offered = []file{
	{name: "mail and news", fails: sickens, offers: true, events: sickness, sections: []section{
		checked("t", "25", "smtp", ""),
		checked("t", "110", "pop", "login=\"joe\"\npasswd=\"secret\""),
		checked("t", "119", "nntp", ""),
		checked("t", "143", "imap", "login=\"joe\"\npasswd=\"secret\""),
	}},
	{name: "names and directories", fails: sickens, offers: true, events: sickness, sections: []section{
		checked("u", "53", "dns", "request=\"www.example.test\"\nreceive=\"^10.1.2.3$\""),
		checked("u", "5060", "sip", "login=\"check@example.test\""),
		checked("u", "1812", "radius", "login=\"joe\"\npasswd=\"secret\"\nsecret=\"shared\""),
		checked("t", "389", "ldap", "login=\"cn=joe\"\npasswd=\"secret\"\nrequest=\"dc=cluster,dc=test\"\nreceive=\"dc=cluster\""),
	}},
	{name: "files and databases", offers: true, events: faults, sections: withFaults()},
}

// checked is a section of protocol t or u at its usual port.
func checked(protocol, port, service, directives string) section {
	text := "virtual=10.0.0.100:" + port + "\n\tchecktype=negotiate\n\tservice=" + service + "\n"
	if protocol == "u" {
		text += "\tprotocol=udp\n"
	}
	for line := range strings.Lines(directives) {
		text += "\t" + strings.TrimSuffix(line, "\n") + "\n"
	}
	return section{
		text: text, real: "real=10.0.0.%N:" + port + " gate %W",
		service: "-A -" + protocol + " 10.0.0.100:" + port + " -s wrr",
		dest:    "-a -" + protocol + " 10.0.0.100:" + port + " -r 10.0.0.%N:" + port + " -g -w %W",
	}
}
