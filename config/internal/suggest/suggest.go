// Package suggest makes hints for words that a configuration should not have.
package suggest

import (
	"fmt"
	"strings"

	"github.com/shunt-lb/shunt/internal/similar"
)

// confusions are hints for names that guides and other programs use.
var confusions = map[string]string{
	"timeout":             "did you mean `checktimeout` or `negotiatetimeout`?",
	"weight":              "the weight is the number behind the forwarding method: real=ADDRESS:PORT gate 2",
	"monitor":             "did you mean `checktype` or `monitorfile`?",
	"interval":            "did you mean `checkinterval`?",
	"delay_loop":          "did you mean `checkinterval`?",
	"connect_timeout":     "did you mean `checktimeout`?",
	"lb_algo":             "did you mean `scheduler`?",
	"lvs_sched":           "did you mean `scheduler`?",
	"lb_kind":             "the forwarding method is the word behind the address: real=ADDRESS:PORT gate",
	"forward":             "the forwarding method is the word behind the address: real=ADDRESS:PORT gate",
	"method":              "did you mean `httpmethod`?",
	"persistence_timeout": "did you mean `persistent`?",
	"sticky":              "did you mean `persistent`?",
	"virtual_server":      "did you mean `virtual`?",
	"real_server":         "did you mean `real`?",
	"server":              "did you mean `real`?",
	"sorry_server":        "did you mean `fallback`?",
	"sorry":               "write fallback=sorry",
	"backup":              "did you mean `fallback`?",
	"port":                "did you mean `checkport`?",
	"url":                 "did you mean `request`?",
	"host":                "did you mean `virtualhost`?",
	"user":                "did you mean `login`?",
	"username":            "did you mean `login`?",
	"password":            "did you mean `passwd`?",
	"log":                 "did you mean `logfile`?",
	"email":               "did you mean `emailalert`?",
	"mail":                "did you mean `emailalert`?",
	"dev":                 "did you mean `interface`?",
	"nic":                 "did you mean `interface`?",
	"sysctl":              "did you mean `managesysctl`?",
	"fwmark":              "a firewall mark is written as virtual=MARK",
	"rise":                "did you mean `risecount`?",
	"fall":                "did you mean `failurecount`?",
	"send-proxy":          "did you mean `proxyprotocol`?",
	"send_proxy":          "did you mean `proxyprotocol`?",
	"accept-proxy":        "did you mean `trustedproxies`?",
	"accept_proxy":        "did you mean `trustedproxies`?",
	"tproxy":              "did you mean `transparent`?",
	"limit_conn":          "did you mean `sourceconnections`?",
	"limit_req":           "did you mean `sourcerate`?",
	"ratelimit":           "did you mean `sourcerate`?",

	// keepalived
	"lvs_method":              "the forwarding method is the word behind the address: real=ADDRESS:PORT gate",
	"persistence_granularity": "did you mean `netmask`?",
	"inhibit_on_failure":      "did you mean `quiescent`?",
	"connect_port":            "did you mean `checkport`?",
	"misc_path":               "did you mean `checkcommand`, with checktype=external?",
	"nb_get_retry":            "did you mean `failurecount`?",
	"retry":                   "did you mean `failurecount`?",
	"delay_before_retry":      "did you mean `fastinterval`?",
	"notification_email":      "did you mean `emailalert`?",
	"notification_email_from": "did you mean `emailalertfrom`?",
	"smtp_server":             "did you mean `smtp`?",
	"uthreshold":              "the thresholds stand behind the weight: real=ADDRESS:PORT gate 1 l:LOWER u:UPPER",
	"lthreshold":              "the thresholds stand behind the weight: real=ADDRESS:PORT gate 1 l:LOWER u:UPPER",
	"status_code":             "did you mean `receivestatus`? A check wants a status of 200 to 299 by itself",
	"regex":                   "did you mean `receive`?",
	"path":                    "did you mean `request`?",
	"notify_up":               "did you mean `fallbackcommand`? Other changes are told by emailalert and by metrics",
	"notify_down":             "did you mean `fallbackcommand`? Other changes are told by emailalert and by metrics",
	"quorum_up":               "did you mean `quorumup`?",
	"quorum_down":             "did you mean `quorumdown`?",
	"warmup":                  "did you mean `slowstart`?",
	"vrrp_instance":           "shunt does not move addresses between directors: that stays keepalived's",
	"vrrp_script":             "shunt does not move addresses between directors: that stays keepalived's",
	"virtual_router_id":       "shunt does not move addresses between directors: that stays keepalived's",
	"virtual_ipaddress":       "did you mean `interface`, which puts the address of a service on a link?",
	"lvs_sync_daemon":         "shunt does not start the kernel's synchronization: ipvsadm --start-daemon does",
	"router_id":               "shunt has no name of its own: remove the line",

	// l7directord
	"configinterval":      "with autoreload=yes the file is looked at every second: remove the line",
	"retryinterval":       "did you mean `fastinterval`?",
	"module":              "did you mean `persistent`? It keeps clients on a server by their address; shunt does not look into requests",
	"sorryserver":         "did you mean `fallback`?",
	"maxconnection":       "did you mean `maxconn`?",
	"qosup":               "shunt limits connections, not bytes: `maxconn`, `sourcerate`",
	"qosdown":             "shunt limits connections, not bytes: `maxconn`, `sourcerate`",
	"throughput":          "shunt limits connections, not bytes: `maxconn`, `sourcerate`",
	"realdowncallback":    "did you mean `fallbackcommand`? Other changes are told by emailalert and by metrics",
	"realrecovercallback": "did you mean `fallbackcommand`? Other changes are told by emailalert and by metrics",
	"sslconfigfile":       "shunt passes TLS through to the real servers: remove the line",
	"sslproxyfile":        "shunt passes TLS through to the real servers: remove the line",
	"socketoption":        "remove the line; timeouts are `connecttimeout`, `idletimeout`, `keepalive`, `tcpusertimeout`",
	"accesslog":           "shunt keeps no log of connections: `shunt status` and metrics count them",
	"sessionsync":         "remove the line",

	// haproxy, nginx
	"balance":      "did you mean `scheduler`?",
	"bind":         "did you mean `virtual`?",
	"listen":       "did you mean `virtual`?",
	"frontend":     "did you mean `virtual`?",
	"upstream":     "did you mean `real`?",
	"mode":         "did you mean `protocol`?",
	"inter":        "did you mean `checkinterval`?",
	"httpchk":      "did you mean `checktype` and `request`?",
	"proxy_pass":   "did you mean `real`?",
	"ip_hash":      "did you mean scheduler=sh, or `persistent`?",
	"least_conn":   "did you mean scheduler=lc?",
	"max_fails":    "did you mean `failurecount`?",
	"fail_timeout": "did you mean `downinterval`?",
}

// Directive returns a hint for a name, in lower case, that is no directive of
// ldirectord.cf but one of guides and other programs.
func Directive(name string) (hint string, known bool) {
	hint, known = confusions[name]
	return hint, known
}

// Choice returns a hint that names the one of known that is similar to word, or
// all of known.
func Choice(word string, known []string) string {
	if n := similar.Word(strings.ToLower(word), known); n != "" {
		return fmt.Sprintf("did you mean `%s`?", n)
	}
	return "write one of " + strings.Join(known, ", ")
}
