//go:build kernel

package differential

// few are the events of services that ldirectord has a table of its own for.
var few = []event{
	{name: "start", happens: begin("1:2 2:1", "yes"), table: "1:2 2:1"},
	{name: "one check fails", happens: fail(1), table: "2:1", quiescent: "1:0 2:1"},
	{name: "all weights 0", happens: reload("1:0 2:0"), table: "2:0", quiescent: "1:0 2:0"},
	{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
}

// differences are the files whose tables differ, and what they find out.
var differences = []file{
	{name: "differences", fails: refuses, events: few, sections: []section{
		{
			text: `virtual=10.0.0.100:80
	fallback=127.0.0.1:80 gate
	service=http
	scheduler=wrr
	checktype=on
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.100:80 -s wrr",
			dest:     "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.100:80 -r 127.0.0.1:80 -g -w 1",
			differs: map[string]difference{
				"start":           {ldirectord: "1:2 2:1", shunt: "1:2 2:1"},
				"one check fails": {ldirectord: "1:2 2:1", shunt: "1:2 2:1"},
				"all weights 0":   {ldirectord: "1:0 2:0", shunt: "1:0 2:0 F"},
			},
		},
		{
			text: `virtual=10.0.0.101:80
	fallback=127.0.0.1:80 gate
	service=http
	scheduler=wrr
	checktype=off
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.101:80 -s wrr",
			dest:     "-a -t 10.0.0.101:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.101:80 -r 127.0.0.1:80 -g -w 1",
			differs: map[string]difference{
				"start":           {ldirectord: "F", shunt: ""},
				"one check fails": {ldirectord: "F", shunt: ""},
				"all weights 0":   {ldirectord: "F", shunt: ""},
			},
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.102:80
	fallback=127.0.0.1:80 gate
	service=http
	scheduler=wrr
	checktype=off
`,
			real:     "real=10.0.0.%N:80 gate %W",
			service:  "-A -t 10.0.0.102:80 -s wrr",
			dest:     "-a -t 10.0.0.102:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.102:80 -r 127.0.0.1:80 -g -w 1",
			differs: map[string]difference{
				"start":           {ldirectord: "1:0 2:0 F", shunt: "1:0 2:0"},
				"one check fails": {ldirectord: "1:0 2:0 F", shunt: "1:0 2:0"},
				"all weights 0":   {ldirectord: "1:0 2:0 F", shunt: "1:0 2:0"},
			},
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.103:80
	fallback=127.0.0.1:80 gate
	service=http
	scheduler=wrr
	checktype=connect
	checkport=80
`,
			real:     "real=10.0.0.%N:8080 gate %W",
			service:  "-A -t 10.0.0.103:80 -s wrr",
			dest:     "-a -t 10.0.0.103:80 -r 10.0.0.%N:80 -g -w %W",
			fallback: "-a -t 10.0.0.103:80 -r 127.0.0.1:80 -g -w 1",
			differs: map[string]difference{
				"start":           {ldirectord: "1:0 2:0", shunt: "1:2 2:1"},
				"one check fails": {ldirectord: "1:0 2:0", shunt: "1:0 2:1"},
				"all weights 0":   {ldirectord: "1:0 2:0", shunt: "1:0 2:0 F"},
			},
		},
	}},
	{name: "flags of schedulers", fails: refuses, events: few, sections: []section{
		{
			text: `virtual=10.0.0.100:80
	scheduler=sh
	checktype=connect
`,
			real:    "real=10.0.0.%N:80 gate %W",
			service: "-A -t 10.0.0.100:80 -s sh",
			ours:    "-A -t 10.0.0.100:80 -s sh -b sh-fallback",
			dest:    "-a -t 10.0.0.100:80 -r 10.0.0.%N:80 -g -w %W",
		},
		{
			quiescent: true,
			text: `virtual=10.0.0.101:80
	scheduler=mh
	schedflags=mh-port
	checktype=connect
`,
			real:    "real=10.0.0.%N:80 gate %W",
			service: "-A -t 10.0.0.101:80 -s mh -b mh-port",
			ours:    "-A -t 10.0.0.101:80 -s mh -b mh-fallback,mh-port",
			dest:    "-a -t 10.0.0.101:80 -r 10.0.0.%N:80 -g -w %W",
		},
	}},
}
