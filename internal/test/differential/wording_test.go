//go:build kernel

package differential

// limited are events with a look at thresholds.
var limited = []event{
	{name: "start", happens: begin("1:2 2:1", "no"), table: "1:2 2:1"},
	{name: "one check fails", happens: fail(1), table: "2:1", quiescent: "1:0 2:1"},
	{name: "weight edited meanwhile", happens: reload("1:2 2:7"), table: "2:7", quiescent: "1:0 2:7"},
	{name: "it recovers", happens: mend(1), table: "1:2 2:7"},
	{name: "stop, cleanstop=no", happens: stop, table: "1:2 2:7"},
	{name: "start over the other's table", happens: succeed("2:1 3:3", "yes"), table: "2:1 3:3"},
	{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
}

// wordings are the files that say things in other ways, or leave them to be
// understood.
var wordings = []file{
	{
		name: "inheritance", fails: refuses, events: ordinary(together, succeed),
		global: "quiescent=yes\nfallback=10.0.0.9:81 masq\nchecktimeout=1\nemailalertstatus=none\n",
		sections: []section{
			{
				quiescent: true, inherits: true,
				text: `virtual=10.0.0.100:http
	checktype=connect
`,
				real:     "real=10.0.0.%N:http masq %W",
				service:  "-A -t 10.0.0.100:80 -s wrr",
				dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -m -w %W",
				fallback: "-a -t 10.0.0.100:80 -r 10.0.0.9:81 -m -w 1",
			},
			{
				weight: "4",
				text: `virtual=10.0.0.101:80
	fallback=localhost
	checktype=connect
	cleanstop=yes
`,
				real:     "real=10.0.0.%N->10.0.0.%L:80 gate 4",
				service:  "-A -t 10.0.0.101:80 -s wrr",
				dest:     "-a -t 10.0.0.101:80 -r 10.0.0.%N:80 -g -w %W",
				fallback: "-a -t 10.0.0.101:80 -r 127.0.0.1:80 -g -w 1",
				tables: map[string]string{
					"stop, cleanstop=no": "gone", "table changed meanwhile": "gone",
				},
			},
			{
				quiescent: true, inherits: true, weight: "1",
				text: `virtual=10.0.0.101:443
	service=http
	checktype=connect
	checkport=80
	cleanstop=no
`,
				real:     "real=10.0.0.%N->10.0.0.%L:https ipip",
				service:  "-A -t 10.0.0.101:443 -s wrr",
				dest:     "-a -t 10.0.0.101:443 -r 10.0.0.%N:443 -i -w %W --tun-type ipip",
				fallback: "-a -t 10.0.0.101:443 -r 10.0.0.9:81 -m -w 1",
				tables:   map[string]string{"stop, cleanstop=yes": "2:1 3:3"},
			},
		},
	},
	{
		name: "no fallback", fails: refuses, events: ordinary(together, begin), global: "readdquiescent=yes\n",
		sections: []section{
			{
				quiescent: true,
				text: `virtual=10.0.0.100:80
	checktype=connect
	fallbackcommand=/bin/true
`,
				real:    "real=10.0.0.%N:80 gate %W",
				service: "-A -t 10.0.0.100:80 -s wrr",
				dest:    "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			},
			{
				text: `virtual=11
	scheduler=wlc
	checktype=connect
	persistent=60
	netmask=255.255.0.0
`,
				real:    "real=10.0.0.%N:80 masq %W",
				service: "-A -f 11 -s wlc -p 60 -M 255.255.0.0",
				dest:    "-a -f 11 -r 10.0.0.%N:80 -m -w %W",
			},
		},
	},
	{name: "thresholds", fails: refuses, events: limited, sections: []section{
		{
			quiescent: true,
			text: `virtual=10.0.0.100:80
	fallback=127.0.0.1:80
	checktype=connect
`,
			real:     "real=10.0.0.%N:80 gate %W l:2%N u:4%N",
			limits:   "-> 10.0.0.%N:80 4%N 2%N 0 0",
			service:  "-A -t 10.0.0.100:80 -s wrr",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
		},
		{
			text: `virtual=10.0.0.101:80
	fallback=127.0.0.1:80
	checktype=connect
`,
			real:     "real=10.0.0.%N:80 masq %W u:7%N",
			limits:   "-> 10.0.0.%N:80 7%N 0 0 0",
			service:  "-A -t 10.0.0.101:80 -s wrr",
			dest:     "-a -t 10.0.0.101:80 -r 10.0.0.%N:80 -m -w %W",
			fallback: "-a -t 10.0.0.101:80 -r 127.0.0.1:80 -g -w 1",
		},
	}},
}
