//go:build kernel

package differential

// health are the files of checks.
var health = []file{
	{name: "requests", fails: sickens, events: ordinary(together, begin), sections: []section{
		{
			quiescent: true,
			text: `virtual=10.0.0.100:80
	fallback=127.0.0.1:80
	service=http
	request="/nobody asks for it"
	receive="nor expects it"
`,
			real:     `real=10.0.0.%N:80 gate %W "server%N","^all is well with /server%N of 10\.0\.0\.%N$"`,
			service:  "-A -t 10.0.0.100:80 -s wrr",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
		},
		{
			text: `virtual=10.0.0.101:8000
	fallback=10.0.0.9:80 masq
	service=http
	httpmethod=head
	virtualhost="www.example.org"
	request="a page.html"
`,
			real:     "real=10.0.0.%N:80 masq %W",
			service:  "-A -t 10.0.0.101:8000 -s wrr",
			dest:     "-a -t 10.0.0.101:8000 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -t 10.0.0.101:8000 -r 10.0.0.9:80 -m -w 1",
		},
		{
			text: `virtual=10.0.0.102:7
	fallback=10.0.0.9:7
	service=simpletcp
	checkport=80
	request="GET / HTTP/1.0\n\n"
	receive="^HTTP/1.0 200 OK"
	monitorfile=%D/monitor
	fallbackcommand="/bin/true"
`,
			real:     "real=10.0.0.%N:7 ipip %W",
			service:  "-A -t 10.0.0.102:7 -s wrr",
			dest:     "-a -t 10.0.0.102:7 -r 10.0.0.%N:7 -i -w %W --tun-type ipip",
			fallback: "-a -t 10.0.0.102:7 -r 10.0.0.9:7 -g -w 1",
		},
	}},
	{name: "external", fails: refuses, events: ordinary(together, succeed), sections: []section{
		{
			text: `virtual=10.0.0.100:80
	fallback=127.0.0.1:80
	checktype=external
	checkcommand=%D/check
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.100:80 -s wrr",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
		},
		{
			quiescent: true,
			text: `virtual=10
	fallback=10.0.0.9 ipip
	checktype=external-perl
	checkcommand="%D/check.pl"
`,
			real:     "real=10.0.0.%N ipip %W",
			service:  "-A -f 10 -s wrr",
			dest:     "-a -f 10 -r 10.0.0.%N:0 -i -w %W --tun-type ipip",
			fallback: "-a -f 10 -r 10.0.0.9:0 -i -w 1 --tun-type ipip",
		},
	}},
	{name: "counts", fails: vanishes, global: "failurecount=2\ncheckcount=2\n", events: ordinary(together, begin), sections: []section{
		{
			text: `virtual=10.0.0.100:80
	fallback=127.0.0.1:80
	checktype=2
	checktimeout=1
	negotiatetimeout=1
	receive="well"
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.100:80 -s wrr",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.101:5060
	fallback=10.0.0.9:5060 masq
	protocol=udp
	checktype=ping
	checktimeout=1
	failurecount=1
`,
			real:     "real=10.0.0.%N:5060 masq %W",
			service:  "-A -u 10.0.0.101:5060 -s wrr",
			dest:     "-a -u 10.0.0.101:5060 -r 10.0.0.%N:5060 -m -w %W",
			fallback: "-a -u 10.0.0.101:5060 -r 10.0.0.9:5060 -m -w 1",
		},
	}},
}
