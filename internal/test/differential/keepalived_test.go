//go:build kernel

package differential

import "slices"

// common are the events that keepalived knows, too.
var common = slices.Concat([]event{
	{name: "start", happens: begin("1:2 2:1", "yes"), table: "1:2 2:1"},
	{name: "one check fails", happens: fail(1), table: "2:1", quiescent: "1:0 2:1"},
	{name: "all fail", happens: fail(2), table: "F", quiescent: "1:0 2:0 F"},
	{name: "one recovers", happens: mend(2), table: "2:1", quiescent: "1:0 2:1"},
	{name: "all recover", happens: mend(1), table: "1:2 2:1"},
}, apart, []event{
	{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
})

// keepaliveds are the files that keepalived reads in its own language.
var keepaliveds = []file{
	{name: "keepalived", fails: refuses, events: common, sections: []section{
		{
			text: `virtual=10.0.0.100:80
	fallback=127.0.0.1:80 gate
	checktype=connect
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.100:80 -s wrr",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
			peer: &virtualServer{`virtual_server 10.0.0.100 80 {
	delay_loop 1
	lvs_sched wrr
	lvs_method DR
	protocol TCP
	alpha
	sorry_server 127.0.0.1 80
`, `	real_server 10.0.0.%N 80 {
		weight %W
		TCP_CHECK {
			connect_timeout 2
			retry 0
		}
	}
`},
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.101:80
	fallback=10.0.0.9:81 masq
	checktype=connect
	scheduler=wlc
	persistent=120
	netmask=255.255.255.0
`,
			real:     "real=10.0.0.%N:80 masq %W",
			service:  "-A -t 10.0.0.101:80 -s wlc -p 120 -M 255.255.255.0",
			dest:     "-a -t 10.0.0.101:80 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -t 10.0.0.101:80 -r 10.0.0.9:81 -m -w 1",
			peer: &virtualServer{`virtual_server 10.0.0.101 80 {
	delay_loop 1
	lvs_sched wlc
	lvs_method NAT
	persistence_timeout 120
	persistence_granularity 255.255.255.0
	protocol TCP
	alpha
	sorry_server 10.0.0.9 81
`, `	real_server 10.0.0.%N 80 {
		weight %W
		inhibit_on_failure
		TCP_CHECK {
			connect_timeout 2
			retry 0
		}
	}
`},
		},
	}},
	{name: "keepalived, HTTP and IPv6", fails: sickens, events: common, sections: []section{
		{
			quiescent: true,
			text: `virtual6=[fd00::100]:80
	fallback6=[fd00::9]:80 ipip
	scheduler=sh
	schedflags=sh-fallback,sh-port
	service=http
	request="index.html"
`,
			real:     "real6=[fd00::%N]:80 ipip %W",
			service:  "-A -t [fd00::100]:80 -s sh -b sh-fallback,sh-port",
			dest:     "-a -t [fd00::100]:80 -r [fd00::%N]:80 -i -w %W --tun-type ipip",
			fallback: "-a -t [fd00::100]:80 -r [fd00::9]:80 -i -w 1 --tun-type ipip",
			peer: &virtualServer{`virtual_server fd00::100 80 {
	delay_loop 1
	lvs_sched sh
	sh-fallback
	sh-port
	lvs_method TUN
	protocol TCP
	alpha
	sorry_server fd00::9 80
`, `	real_server fd00::%N 80 {
		weight %W
		inhibit_on_failure
		HTTP_GET {
			url {
				path /index.html
				status_code 200
			}
			connect_timeout 2
			retry 0
		}
	}
`},
		},
		{
			text: `virtual=10.0.0.100:80
	fallback=10.0.0.9:80 gate
	scheduler=lc
	service=http
	request="index.html"
	receive="all is well"
`,
			real:     "real=10.0.0.%N:80 masq %W",
			service:  "-A -t 10.0.0.100:80 -s lc",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 10.0.0.9:80 -g -w 1",
			peer: &virtualServer{`virtual_server 10.0.0.100 80 {
	delay_loop 1
	lvs_sched lc
	lvs_method NAT
	protocol TCP
	alpha
	sorry_server 10.0.0.9 80
	sorry_server_lvs_method DR
`, `	real_server 10.0.0.%N 80 {
		weight %W
		HTTP_GET {
			url {
				path /index.html
				status_code 200
			}
			connect_timeout 2
			retry 0
		}
	}
`},
		},
	}},
	{name: "keepalived, marks and udp", fails: refuses, events: common, sections: []section{
		{
			quiescent: true,
			text: `virtual=5
	fallback=10.0.0.9:81 masq
	checktype=connect
	scheduler=wrr
`,
			real:     "real=10.0.0.%N:80 masq %W",
			service:  "-A -f 5 -s wrr",
			dest:     "-a -f 5 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -f 5 -r 10.0.0.9:81 -m -w 1",
			peer: &virtualServer{`virtual_server fwmark 5 {
	delay_loop 1
	lvs_sched wrr
	lvs_method NAT
	alpha
	sorry_server 10.0.0.9 81
`, `	real_server 10.0.0.%N 80 {
		weight %W
		inhibit_on_failure
		TCP_CHECK {
			connect_timeout 2
			retry 0
		}
	}
`},
		},
		{
			text: `virtual=10.0.0.100:53
	fallback=10.0.0.9:53 gate
	protocol=udp
	ops=yes
	scheduler=rr
	checktype=external
	checkcommand=%D/check
`,
			real:     "real=10.0.0.%N:53 gate %W",
			service:  "-A -u 10.0.0.100:53 -s rr -o",
			dest:     "-a -u 10.0.0.100:53 -r 10.0.0.%N:53 -g -w %W",
			fallback: "-a -u 10.0.0.100:53 -r 10.0.0.9:53 -g -w 1",
			peer: &virtualServer{`virtual_server 10.0.0.100 53 {
	delay_loop 1
	lvs_sched rr
	ops
	lvs_method DR
	protocol UDP
	alpha
	sorry_server 10.0.0.9 53
`, `	real_server 10.0.0.%N 53 {
		weight %W
		TCP_CHECK {
			connect_port 80
			connect_timeout 2
			retry 0
		}
	}
`},
		},
	}},
}
